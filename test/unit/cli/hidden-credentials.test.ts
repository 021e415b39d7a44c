import { expect, test } from 'vitest';
import { renderDiagnostics } from '../../../src/cli/render/diagnostics/diagnostics.ts';
import { renderFindingsAs } from '../../../src/cli/render/diagnostics/diagnostics-formats.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { hideCredentials } from '../../../src/model/secrets/hide-credentials.ts';
import { document, load } from '../spec/checking.ts';

/** Everything that is said of a file, on a terminal, in a log and for programs. */
function saidOf(text: string): string {
  const { diagnostics } = load(text);
  const frames = renderDiagnostics(diagnostics, [{ file: 'mcp.yaml', text }], { palette: palette(false), width: 200 });
  return [frames, renderFindingsAs('github', diagnostics), JSON.stringify(diagnostics)].join('\n');
}

test.each([
  ['a map in braces', ['command: run', 'env: { DB_PASSWORD: hunter2 }']],
  [
    'a map in braces behind a reference',
    ['command: run', 'env: { A_TOKEN: "${A}", DB_PASSWORD: hunter2, B: hunter2 }'],
  ],
  ['a list of NAME=VALUE', ['command: run', 'env:', '  - DB_PASSWORD=hunter2']],
  ['a list of NAME=VALUE in brackets', ['command: run', 'env: [DB_PASSWORD=hunter2]']],
  ['NAME=VALUE in braces', ['command: run', 'env: { DB_PASSWORD=hunter2 }']],
  ['a block of text', ['command: run', 'env:', '  DB_PASSWORD: |-', '    hunter2']],
  ['a line of its own', ['command: run', 'env:', '  DB_PASSWORD:', '    hunter2']],
  ['a shell assignment', ['command: run', 'env:', '  DB_PASSWORD = hunter2']],
  ['a name and a value', ['command: run', 'env:', '  DB_PASSWORD hunter2']],
  ['no space behind the colon', ['command: run', 'env:', '  DB_PASSWORD:hunter2']],
  ['a URI under any name', ['command: run', 'env:', '  - DB=postgres://me:hunter2@host/db']],
  ['a command line', ['command: DB_PASSWORD=hunter2 run --token=hunter2', 'args: [--token=hunter2]']],
  ['a value with spaces and commas', ['command: run', 'zork: 1', 'env:', '  DB_PASSWORD: one, hunter2']],
])('a literal credential is nowhere in what is said of %s', (_, mcp) => {
  const said = saidOf(document({ mcp }));
  expect(said).toContain('(secret)');
  expect(said).not.toContain('hunter2');
});

test.each([
  'env: { API_KEY: ${API_KEY}, B: "Bearer ${TOKEN}" }',
  'Authorization: Bearer ${secret:api_key}',
  'base_image: ghcr.io/acme/token:1.2',
  'secrets: { store: vault }',
  'secrets: [vault]',
  'DB_PASSWORD: |- # from the vault',
  '# the token is set elsewhere',
  'TOKENIZER: fast',
])('what holds no literal credential stays: %s', (line) => {
  expect(hideCredentials(line)).toBe(line);
});
