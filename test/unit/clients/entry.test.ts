import { expect, test } from 'vitest';
import { bearerFor, entryFor, readEntry, startsLooms } from '../../../src/clients/client.ts';
import { clients } from '../../../src/clients/table.ts';

const start = { kind: 'stdio', command: '/n', args: ['/x/run.js', 'mcp', 'stdio', '--all'], env: { A: 'b' } } as const;
const place = { platform: 'linux', home: '/h', environment: {} };
const token = { file: '/t', variable: 'LOOMS_TOKEN', value: () => 'abc', shared: false };

test('there are eleven clients, each with a file and a name of its own', () => {
  expect(clients).toHaveLength(11);
  expect(new Set(clients.map(({ id }) => id)).size).toBe(11);
  expect(new Set(clients.map((client) => client.files(place)[0])).size).toBe(11);
});

test.each(clients.map((client) => [client.id, client] as const))(
  '%s: what is written as an entry is read as what it was made of',
  (_id, client) => {
    const local = entryFor(client, 'looms', start);
    expect(readEntry(client, local)).toEqual(start);
    expect(startsLooms(client, local)).toBe(true);
    expect(startsLooms(client, entryFor(client, 'o', { ...start, args: ['server.js'] }))).toBe(false);
    if (client.remote === undefined) return;
    for (const shared of [false, true]) {
      const bearer = bearerFor(client, { ...token, shared });
      const entry = entryFor(client, 'looms', { kind: 'http', url: 'http://a/mcp', bearer });
      const read = readEntry(client, entry);
      expect(read).toMatchObject({ kind: 'http', url: 'http://a/mcp' });
      if (read?.kind !== 'http') continue;
      const headers = read.headers(({ from }) => (from === 'file' ? 'abc' : 'abc'));
      expect(headers).toEqual({ Authorization: 'Bearer abc' });
      // The token itself is in no entry of a client that can be pointed at it.
      expect(JSON.stringify(entry).includes('abc')).toBe(bearer.from === 'value');
    }
  },
);

test('the entries are those of docs/clients.md', () => {
  const shown = clients.map((client) => {
    const http = { kind: 'http', url: 'http://a/mcp', bearer: bearerFor(client, token) } as const;
    return [client.id, client.remote === undefined ? '-' : JSON.stringify(entryFor(client, 'looms', http))].join(' ');
  });
  expect(shown.join('\n')).toMatchInlineSnapshot(`
    "claude-code {"type":"http","url":"http://a/mcp","headers":{"Authorization":"Bearer \${LOOMS_TOKEN}"}}
    claude-desktop -
    cursor {"url":"http://a/mcp","headers":{"Authorization":"Bearer \${env:LOOMS_TOKEN}"}}
    vscode {"type":"http","url":"http://a/mcp","headers":{"Authorization":"Bearer \${env:LOOMS_TOKEN}"}}
    windsurf {"serverUrl":"http://a/mcp","headers":{"Authorization":"Bearer \${env:LOOMS_TOKEN}"}}
    codex {"url":"http://a/mcp","bearer_token_env_var":"LOOMS_TOKEN"}
    gemini {"httpUrl":"http://a/mcp","headers":{"Authorization":"Bearer \${LOOMS_TOKEN}"}}
    zed {"url":"http://a/mcp","headers":{"Authorization":"Bearer abc"}}
    goose {"name":"looms","description":"","type":"streamable_http","enabled":true,"timeout":300,"uri":"http://a/mcp","headers":{"Authorization":"Bearer \${LOOMS_TOKEN}"},"env_keys":["LOOMS_TOKEN"]}
    opencode {"type":"remote","enabled":true,"url":"http://a/mcp","headers":{"Authorization":"Bearer {file:/t}"}}
    jetbrains -"
  `);
});
