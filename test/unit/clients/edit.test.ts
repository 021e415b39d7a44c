import { describe, expect, test } from 'vitest';
import type { FileFormat } from '../../../src/clients/client.ts';
import {
  type EntryPath,
  editText,
  entryAt,
  printEntry,
  readClientText,
  spliceOf,
  undoSplice,
} from '../../../src/clients/edit.ts';

const entry = { command: '/opt/looms', args: ['mcp', 'stdio', '--all'], env: { A: 'b "c" # d' } };
const newer = { command: '/opt/looms', args: ['mcp', 'stdio', 'fs'] };

/** Files as people have them: comments, odd spaces, other servers, line ends of Windows, no end of line. */
const files: readonly (readonly [name: string, FileFormat, EntryPath, string])[] = [
  ['an empty file', 'json', ['mcpServers', 'looms'], ''],
  ['an empty object', 'json', ['mcpServers', 'looms'], '{}'],
  ['an object with no servers', 'json', ['mcpServers', 'looms'], '{ "a": 1, "mcpServers": {} }\n'],
  [
    'comments and a trailing comma',
    'json',
    ['context_servers', 'looms'],
    '// mine\n{\n\t"theme": "dark", // why\n\t/* servers */\n\t"context_servers": {\n\t\t"other": { "command": "x" }, // theirs\n\t},\n\t"z":   [1,2,\n 3],\n}\n',
  ],
  ['line ends of Windows', 'json', ['servers', 'looms'], '{\r\n    "servers": {\r\n        "o": {}\r\n    }\r\n}\r\n'],
  ['one line', 'json', ['mcpServers', 'looms'], '{"mcpServers":{"o":{"command":"x"}},"n":12345678901234567890}'],
  ['an empty file', 'toml', ['mcp_servers', 'looms'], ''],
  [
    'comments and other tables',
    'toml',
    ['mcp_servers', 'looms'],
    '# mine\nmodel   =   "o3" # why\ntext = """\n[mcp_servers.looms]\n"""\n\n[mcp_servers.other]\ncommand = "x"\n\n# last\n[profiles.a]\nx = 123456789012345678',
  ],
  ['line ends of Windows', 'toml', ['mcp_servers', 'looms'], 'a = 1\r\n[b]\r\nc = [\r\n 1,\r\n]\r\n'],
  ['an empty file', 'yaml', ['extensions', 'looms'], ''],
  [
    'comments and other servers',
    'yaml',
    ['extensions', 'looms'],
    "# mine\nGOOSE_MODEL:   gpt # why\nextensions:\n    other:\n        cmd: 'x'   # theirs\n        args: [ a,  b ]\n    # the last\n    more: {enabled: true}\n\n# below\nlast: 1\n",
  ],
  ['no servers yet', 'yaml', ['extensions', 'looms'], 'a: 1\nextensions:\nb: 2\n'],
  ['an empty map', 'yaml', ['extensions', 'looms'], 'a: 1\nextensions: {}\nb: 2\n'],
  ['no key and no end of line', 'yaml', ['extensions', 'looms'], 'a: |\n  text\n  [x]\nb: "c"'],
];

describe.each(files)('%s (%s)', (_name, format, path, before) => {
  const put = (text: string, value: unknown): string => {
    const after = editText(format, text, path, value);
    if (after === undefined) throw new Error('it was not edited');
    return after;
  };

  test('gets the entry, and keeps every line that it had', () => {
    const after = put(before, entry);
    const read = readClientText(format, after);
    expect(read.ok && entryAt(read.value, path)).toEqual(entry);
    // What was there is there: only the ends of an empty object have moved.
    expect(spliceOf(before, after).removed).toMatch(/^[\s{}]*$/);
  });

  test('is byte for byte as it was when the entry is taken out, also when something was added meanwhile', () => {
    const after = put(before, entry);
    const splice = spliceOf(before, after);
    expect(undoSplice(format, after, path, splice)).toBe(before);
    expect(undoSplice(format, `\n${after}`, path, splice)).toBe(`\n${before}`);
  });

  test('has another entry in its place, or none, when nobody remembers what was put in', () => {
    const changed = put(put(before, entry), newer);
    const read = readClientText(format, changed);
    expect(read.ok && entryAt(read.value, path)).toEqual(newer);
    const rest = editText(format, changed, path, undefined) ?? '';
    const left = readClientText(format, rest);
    expect(left.ok && entryAt(left.value, path)).toBeUndefined();
    for (const line of before.split(/\r?\n/)) if (/#|\/\//.test(line)) expect(rest).toContain(line.trim());
  });
});

test.each<[FileFormat, EntryPath, string]>([
  ['json', ['mcpServers', 'looms'], '{ "mcpServers": ["a"] }'],
  ['json', ['mcpServers', 'looms'], '{ "mcpServers": {}, "mcpServers": { "a": {} } }'],
  ['json', ['mcpServers', 'looms'], '[1]'],
  ['toml', ['mcp_servers', 'looms'], 'mcp_servers = { a = { command = "x" } }\n'],
  ['yaml', ['extensions', 'looms'], 'extensions: { a: { cmd: x } }\n'],
  ['yaml', ['extensions', 'looms'], 'a: &x { b: {} }\nextensions: *x\n'],
])('%s that cannot be edited without touching the rest is left alone: %j %s', (format, path, text) => {
  expect(editText(format, text, path, entry)).toBeUndefined();
});

test.each<[FileFormat, string, number]>([
  ['json', '{\n  "a": 1,\n  "b": \n}\n', 4],
  ['toml', 'a = 1\nb = \n', 2],
  ['yaml', 'a: 1\nb: [1\nc: 2\n', 3],
])('a broken file of %s is told with its line', (format, text, line) => {
  expect(readClientText(format, text)).toMatchObject({ ok: false, line });
});

test('an entry alone is a file of its format', () => {
  for (const format of ['json', 'toml', 'yaml'] as const) {
    const read = readClientText(format, printEntry(format, ['servers', 'looms'], entry));
    expect(read.ok && read.value).toEqual({ servers: { looms: entry } });
  }
});
