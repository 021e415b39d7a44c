import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startSessionProcess } from '../../../src/mcp/session-process.ts';
import { eventually } from '../../support/eventually.ts';
import { fixture, localEngine, targetFor } from './local-engine.ts';

const find = (tool: string): string => execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim();
const shells = ['/bin/dash', '/bin/bash', '/bin/busybox'].filter(existsSync);
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

/** A PATH with this shell as `sh`, and with these tools only. */
async function pathWith(shell: string, tools: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'looms-shell-'));
  folders.push(folder);
  await symlink(shell, join(folder, 'sh'));
  for (const tool of tools) await symlink(find(tool), join(folder, tool));
  return folder;
}

/** Processes whose environment holds the text. */
const processesWith = (variable: string): string[] =>
  readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(variable);
    } catch {
      return false; // It ended between the two calls.
    }
  });

describe.each(shells)('the session wrapper under %s', (shell) => {
  const start = async (
    tools: readonly string[],
    flags: readonly string[],
    limitMs: number,
    mark: string,
    graceMs = 300,
  ) => {
    const PATH = await pathWith(shell, tools);
    const argv = [process.execPath, fixture('plain.mjs'), ...flags];
    const target = targetFor(localEngine().engine, argv, { env: { PATH, MARK: mark } });
    return startSessionProcess(target, { limitMs, patienceMs: 0, graceMs });
  };
  const variants: [string, string[]][] = [
    ['with timeout', ['timeout', 'sleep', 'grep']],
    ['without timeout', ['sleep', 'grep']],
  ];

  it.concurrent.each(variants)(
    '%s: a server that leaves by itself leaves nothing',
    async (name, tools) => {
      const mark = `${process.pid}-leaves-${shell}-${name}`;
      const session = await start(tools, [], 60_000, mark, 5_000);
      expect(await session.end()).toEqual({ how: 'by-itself' });
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 4_000);
    },
    20_000,
  );

  it.concurrent.each(variants)(
    '%s: a stubborn server and its children are killed',
    async (name, tools) => {
      const mark = `${process.pid}-stubborn-${shell}-${name}`;
      const session = await start(tools, ['--stubborn', '--children'], 60_000, mark);
      expect(await session.end()).toEqual({ how: 'killed' });
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 4_000);
    },
    20_000,
  );

  it('a server dies with the process that bounds it', async () => {
    const mark = `${process.pid}-bound-${shell}`;
    const session = await start(['timeout', 'sleep', 'grep', 'setpriv', 'choom'], ['--stubborn'], 60_000, mark);
    session.exec.stdout.resume();
    const running = (program: string): string | undefined =>
      processesWith(`MARK=${mark}`).find((id) =>
        readFileSync(`/proc/${id}/cmdline`, 'utf8').startsWith(`${program}\0`),
      );
    await eventually(() => expect(running(process.execPath)).toBeDefined());
    process.kill(Number(running('timeout')), 'SIGKILL');
    await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 4_000);
    await session.end();
  });

  it.concurrent.each(variants)(
    '%s: a server that ignores SIGTERM is gone five seconds after its limit',
    async (name, tools) => {
      const mark = `${process.pid}-limit-${shell}-${name}`;
      const session = await start(tools, ['--stubborn'], 1_000, mark);
      session.exec.stdout.resume();
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 15_000, 100);
      await session.end();
    },
    20_000,
  );
});

describe('an image without a shell', () => {
  it('runs the argv bare, and says that a server which stays cannot be ended', async () => {
    const local = localEngine();
    const mark = `${process.pid}-bare`;
    const argv = [process.execPath, fixture('plain.mjs'), '--ignore-eof'];
    const session = await startSessionProcess(targetFor(local.engine, argv, { hasShell: false, env: { MARK: mark } }), {
      limitMs: 60_000,
      patienceMs: 0,
      graceMs: 300,
    });
    expect(local.execs[0]).toEqual(argv);
    expect(await session.end()).toEqual({ how: 'abandoned', why: 'the image has no shell' });
    for (const id of processesWith(`MARK=${mark}`)) process.kill(Number(id));
  });
});
