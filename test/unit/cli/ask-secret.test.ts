import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';

const askSecret = new URL('../../../src/cli/terminal/ask-secret.ts', import.meta.url).href;

test('a secret that is typed is not echoed where stderr goes to a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'looms-ask-'));
  const [program, log] = [join(folder, 'ask.mjs'), join(folder, 'log')];
  writeFileSync(
    program,
    `import { askSecret } from ${JSON.stringify(askSecret)};
    const asked = askSecret('Secret a');
    console.log('ready');
    console.log([...(await asked)].reverse().join(''));`,
  );
  const child = spawn('script', ['-qec', `'${process.execPath}' '${program}' 2>'${log}'`, '/dev/null']);
  let screen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString();
  });
  await eventually(async () => expect(screen).toContain('ready'), 60_000);
  child.stdin.write('hunter2\r');
  await once(child, 'close');
  expect(screen.replaceAll('\r', '')).toBe('ready\n2retnuh\n');
  expect(readFileSync(log, 'utf8')).toBe('Secret a: \n');
  rmSync(folder, { recursive: true });
});
