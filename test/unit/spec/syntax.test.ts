import { describe, expect, test } from 'vitest';
import { check, document } from './checking.ts';

const bomb = `name: a
docker_backend: { base_image: x }
x-a: &a [x, x, x, x, x, x, x, x, x]
${[...'bcdefghi'].map((name, index) => `x-${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`).join('\n')}
mcp_server: { args: *i }`;

const mergeBomb = `x-0: &a0 { k: 1 }\n${Array.from({ length: 300 }, (_, i) => `x-${i + 1}: &a${i + 1} { <<: *a${i}, k${i}: 1 }`).join('\n')}`;

describe('YAML that cannot be read', () => {
  test('a tab as indentation is named', () => {
    expect(check(['name: fs', 'docker_backend:', '	base_image: x'].join('\n'))).toMatchInlineSnapshot(
      `"3:1 error[yaml-syntax] a tab stands where YAML wants spaces (hint: indent with spaces)"`,
    );
  });

  test('a second server without a line of three dashes before it is named', () => {
    expect(check(['{ "name": "fs" }', '{ "name": "git" }'].join('\n'))).toMatchInlineSnapshot(
      `"2:1 error[yaml-syntax] line 2 stands after the end of its document (hint: another server is another document: write a line \`---\` before it)"`,
    );
  });

  test('an unclosed quote is placed', () => {
    expect(check(['name: "fs'].join('\n'))).toMatchInlineSnapshot(
      `"1:7 error[yaml-syntax] this " is never closed (hint: add " where it shall end)"`,
    );
  });

  test('a placeholder in a flow map that is not quoted gets a hint', () => {
    expect(check(['name: fs', 'docker_backend: { base_image: ${IMAGE} }'].join('\n'))).toMatchInlineSnapshot(
      `"2:31 error[yaml-syntax] \${IMAGE} inside { } or [ ] needs quotes (hint: write "\${IMAGE}", with the quotes)"`,
    );
  });

  test('a tag has no meaning', () => {
    expect(check(['name: !env NAME'].join('\n'))).toMatchInlineSnapshot(
      `"1:7 error[unknown-tag] YAML tags have no meaning in a spec (hint: remove the tag)"`,
    );
  });

  test('an alias without an anchor is named', () => {
    expect(check(['name: *who'].join('\n'))).toMatchInlineSnapshot(
      `"1:7 error[unknown-alias] alias *who has no anchor &who before it"`,
    );
  });

  test('a merge of something else than a map is named', () => {
    expect(check(['docker_backend:', '  <<: [1]'].join('\n'))).toMatchInlineSnapshot(
      `"2:3 error[bad-merge] << takes a map, or a list of maps"`,
    );
  });

  test('a key that is a list is named', () => {
    expect(check(['? [a]', ': b'].join('\n'))).toMatchInlineSnapshot(`"1:3 error[bad-key] a key must be text"`);
  });

  test('nesting without end is refused', () => {
    expect(check('['.repeat(5000))).toMatchInlineSnapshot(
      `"1:65 error[too-deep] maps and lists are nested deeper than 64 levels"`,
    );
  });

  test('block nesting without end is refused', () => {
    // Where the parser gives up depends on the size of the stack.
    expect(check('- '.repeat(5000))).toMatch(
      /^1:[0-9]+ error\[too-deep] maps and lists are nested deeper than 64 levels$/,
    );
  });

  test('a bomb of aliases is followed no further than the schema goes', () => {
    expect(check(bomb)).toMatchInlineSnapshot(`
      "10:9 error[wrong-type] mcp_server.args[0]: args[0]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[1]: args[1]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[2]: args[2]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[3]: args[3]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[4]: args[4]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[5]: args[5]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[6]: args[6]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[7]: args[7]: expected text, got a list
      10:9 error[wrong-type] mcp_server.args[8]: args[8]: expected text, got a list"
    `);
  });

  test('merge keys that multiply are refused', () => {
    expect(check(mergeBomb)).toMatchInlineSnapshot(
      `"201:16 error[too-large] merge keys add more than 20000 entries to the document"`,
    );
  });

  test('a file beyond all sense is refused', () => {
    expect(check('#'.repeat(1_048_577))).toMatchInlineSnapshot(
      `"1:1 error[file-too-large] the file has 1048577 characters; at most 1048576 are read (hint: split it into several files)"`,
    );
  });

  test('bytes that are no UTF-8 are refused', () => {
    expect(check('name: a\ufffdb')).toMatchInlineSnapshot(
      `"1:8 error[not-utf8] the file is not UTF-8 text (hint: save it as UTF-8)"`,
    );
  });

  test('a control character is refused', () => {
    expect(check('name: a\u0001b')).toMatchInlineSnapshot(
      `"1:8 error[control-character] control character U+0001 is not allowed in YAML (hint: remove it, or write it as an escape in a double-quoted string)"`,
    );
  });

  test('a NUL written as an escape is refused', () => {
    expect(check(document({ mcp: ['command: "a\\0b"'] }))).toMatchInlineSnapshot(
      `"5:12 error[control-character] mcp_server.command: command contains the character U+0000, which no process can be given"`,
    );
  });

  test('a second mistake of one document waits for the first: it may be its consequence', () => {
    expect(check(`name: a\n${'a: b: c\n'.repeat(20)}`)).toMatchInlineSnapshot(
      `"2:4 error[yaml-syntax] the value of a holds a colon and a space, which begins another key (hint: put the value into quotes, or the second key on a line of its own)"`,
    );
  });
});

describe('common mistakes of YAML are told at their place, in our words, once', () => {
  const mistakes: Readonly<Record<string, string>> = {
    'a line that is too deep': 'name: fs\ndocker_backend:\n  base_image: x\n   platform: y\nmcp_server: {}\n',
    'a line between two levels': 'name: fs\ndocker_backend:\n  base_image: x\n platform: y\n',
    'a line that is not deep enough': 'a:\n    b: c\n  d: e\nf: g\n',
    'an entry that is between two levels': 'a:\n  - b\n c: d\n',
    'a key below a value': 'a: b\n  c: d\n',
    'a tab': 'a:\n  b: c\n\td: e\n',
    'a missing colon': 'mcp_server:\n  transport: stdio\n  command run\n',
    'a missing colon in the first line': 'name fs\ndocker_backend:\n  base_image: x\n',
    'a missing colon in the first line of a map': 'a:\n  command run\n  b: c\n',
    'a missing space after a colon': 'name:fs\nb: c\n',
    'an equals sign': 'a:\n  b: c\n  DEBUG=1\n',
    'a second colon': 'command: run: now\n',
    'an entry among keys': 'a:\n  b: c\n  - d\n',
    'an open bracket': 'a:\n  args: [x, y\n  env:\n    X: y\nz: 1\n',
    'an open brace at the end': 'a: { b: c\n',
    'a bracket closed by a brace': 'a: [b}\nc: d\n',
    'a bracket too many': 'a: b\n]\n',
    'an open quote': 'a: "b\nc: "d"\ne: f\n',
    'an open single quote': "a: 'b\nc: d\n",
    'text after a quote': 'a: "b" c\n',
    'a quote in a quote': "a: 'it's'\n",
    'a reserved character': 'a: @b\n',
    'a block of text before': 'a: |\n  b: c: d\n    e\nf: g\n h: i\n',
    'the second document': 'name: a\ndocker_backend: { base_image: x }\n---\n# b\nname: b\n  c: d\n',
    'carriage returns': 'name: a\r\nb c\r\nd: e\r\n',
  };
  test.each(Object.keys(mistakes))('%s', (name) => {
    expect(check(mistakes[name] ?? '')).toMatchSnapshot();
  });

  test('what is no common mistake keeps the words of the parser, once', () => {
    expect(check('a: b\n? c\n? [d]: e: f\n').split('\n')).toHaveLength(1);
  });

  test('thousands of broken documents in one file each get their own finding', () => {
    const found = check('a: b: c\n---\n'.repeat(3000)).split('\n');
    expect(found).toHaveLength(3000);
    expect(found.at(-1)).toMatch(/^5999:4 error/);
  });
});
