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

  test('an unclosed quote is placed', () => {
    expect(check(['name: "fs'].join('\n'))).toMatchInlineSnapshot(`"1:10 error[yaml-syntax] missing closing "quote"`);
  });

  test('a placeholder in a flow map that is not quoted gets a hint', () => {
    expect(check(['name: fs', 'docker_backend: { base_image: ${IMAGE} }'].join('\n'))).toMatchInlineSnapshot(`
      "2:32 error[yaml-syntax] unexpected flow-map-start at node end (hint: inside { } and [ ], quote values that hold \${…}: "\${NAME}")
      2:33 error[yaml-syntax] unexpected scalar at node end (hint: inside { } and [ ], quote values that hold \${…}: "\${NAME}")
      2:40 error[yaml-syntax] unexpected flow-map-end token in YAML stream: "}" (hint: inside { } and [ ], quote values that hold \${…}: "\${NAME}")"
    `);
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
    expect(check('- '.repeat(5000))).toMatchInlineSnapshot(
      `"1:1873 error[too-deep] maps and lists are nested deeper than 64 levels"`,
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

  test('many errors of one document are counted', () => {
    expect(
      check(`name: a\n${'a: b: c\n'.repeat(20)}`)
        .split('\n')
        .slice(-2)
        .join('\n'),
    ).toMatchInlineSnapshot(`
      "11:4 error[yaml-syntax] nested mappings are not allowed in compact mappings
      11:4 note[yaml-syntax] and 10 more syntax errors in this document"
    `);
  });
});
