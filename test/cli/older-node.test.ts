import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { emptyFolder } from '../support/looms.ts';

const newerNode = fileURLToPath(new URL('../../bin/newer-node.js', import.meta.url));
const program = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test.skipIf(process.platform !== 'linux')(
  'the process that an older Node starts the program in ends when that one is killed',
  async () => {
    // What bin/run.js does under an older Node, whichever one runs this test. It waits for its standard input for ever.
    const code = `process.argv[1] = ${JSON.stringify(program)};
      const { runWithNewerNode } = await import(${JSON.stringify(newerNode)});
      process.exitCode = await runWithNewerNode(['config', 'set-key', 'a']);`;
    const home = emptyFolder();
    // Opened for both, the pipe has a writer as long as this test runs; Node's own ends with the process that was killed.
    execFileSync('mkfifo', [join(home, 'stdin')]);
    const stdin = openSync(join(home, 'stdin'), 'r+');
    const older = spawn(process.execPath, ['--input-type=module', '--eval', code], {
      stdio: [stdin, 'ignore', 'ignore'],
      env: { ...process.env, HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    });
    const children = (): string => readFileSync(`/proc/${older.pid}/task/${older.pid}/children`, 'utf8').trim();
    try {
      await eventually(() => expect(children()).toMatch(/^\d+$/), 20_000);
      const newer = Number(children());
      expect(isAlive(newer)).toBe(true);
      older.kill('SIGKILL');
      await eventually(() => expect(isAlive(newer)).toBe(false), 10_000);
    } finally {
      older.kill('SIGKILL');
      closeSync(stdin);
    }
  },
);
