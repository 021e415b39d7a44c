import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/docker/port.ts';
import { startSessionProcess } from '../../../src/mcp/link/session-process.ts';
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
    renews = false,
  ) => {
    const PATH = await pathWith(shell, tools);
    const argv = [process.execPath, fixture('plain.mjs'), ...flags];
    const target = targetFor(localEngine().engine, argv, { env: { PATH, MARK: mark } });
    return startSessionProcess(target, { limitMs, renews, patienceMs: 0, graceMs });
  };
  const variants: [string, string[]][] = [
    ['with timeout', ['timeout', 'sleep', 'grep']],
    ['without timeout', ['sleep', 'grep']],
  ];

  it.concurrent.each(variants)(
    '%s: a server lives as long as its lease is renewed, and not much longer',
    async (name, tools) => {
      const mark = `${process.pid}-leased-${shell}-${name}`;
      const session = await start(tools, ['--ignore-eof'], 3_000, mark, 300, true);
      await delay(9_000);
      expect(processesWith(`MARK=${mark}`).length).toBeGreaterThan(0);
      // Its end is sent and not waited for: nobody renews it from here.
      await session.leave();
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 30_000);
      await session.end();
    },
    60_000,
  );

  it.concurrent.each(variants)(
    '%s: a server that leaves by itself leaves nothing',
    async (name, tools) => {
      const mark = `${process.pid}-leaves-${shell}-${name}`;
      const session = await start(tools, [], 60_000, mark, 30_000);
      expect(await session.end()).toEqual({ how: 'by-itself' });
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 20_000);
    },
    60_000,
  );

  it.concurrent.each(variants)(
    '%s: a stubborn server and its children are killed',
    async (name, tools) => {
      const mark = `${process.pid}-stubborn-${shell}-${name}`;
      const session = await start(tools, ['--stubborn', '--children'], 60_000, mark);
      expect(await session.end()).toEqual({ how: 'killed' });
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 20_000);
    },
    60_000,
  );

  /** What the kernel counts in a container, as files of its control groups. */
  const counted = async (version: 1 | 2, processes: string, memory: string): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'looms-counted-'));
    folders.push(folder);
    const [used, most] = processes.split(' of ');
    const [bytes, mostBytes, files = 0] = memory.split(/ of | files /);
    const stat = `anon 1\ninactive_file 0\nactive_file ${files}\n`;
    const written: Readonly<Record<string, unknown>> =
      version === 2
        ? {
            'pids.current': used,
            'pids.max': most,
            'memory.current': bytes,
            'memory.max': mostBytes,
            'memory.stat': stat,
          }
        : {
            'pids/pids.current': used,
            'pids/pids.max': most,
            'memory/memory.usage_in_bytes': bytes,
            'memory/memory.limit_in_bytes': mostBytes,
            'memory/memory.stat': `${stat}total_inactive_file 0\ntotal_active_file ${files}\n`,
          };
    for (const [name, value] of Object.entries(written)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), `${value}\n`);
    }
    return folder;
  };

  it.each([
    [1, '10 of max', '1 of max', undefined],
    [2, '10 of max', '1 of max', undefined],
    [1, '10 of 24', '1 of 200000000', undefined],
    [2, '10 of 24', '1 of 200000000', undefined],
    [1, '10 of 23', '1 of max', { open: 1, of: 'processes', used: 10, most: 23 }],
    [2, '10 of 23', '1 of max', { open: 1, of: 'processes', used: 10, most: 23 }],
    [1, '10 of max', '60000000 of 110000000', { open: 1, of: 'memory', used: 60_000_000, most: 110_000_000 }],
    [2, '10 of max', '60000000 of 110000000', { open: 1, of: 'memory', used: 60_000_000, most: 110_000_000 }],
    [1, '10 of max', '60000000 of 110000000 files 59000000', undefined],
    [2, '10 of max', '60000000 of 110000000 files 59000000', undefined],
  ] as const)('beside another, by control groups %s with %s processes and %s bytes, lacks %j', async (...row) => {
    const [version, processes, memory, lack] = row;
    const groups = await counted(version, processes, memory);
    const local = localEngine();
    // What the engine starts has no parent in the container; here it has this one.
    const exec: Engine['exec'] = (id, { argv: [sh = '', c = '', script = '', ...rest], ...more }) => {
      const here = script
        .replaceAll('/sys/fs/cgroup', groups)
        .replace('[ "$parent" = 0 ]', `[ "$parent" = ${process.pid} ]`);
      return local.engine.exec(id, { ...more, argv: [sh, c, here, ...rest] });
    };
    const engine = new Proxy(local.engine, { get: (one, key) => (key === 'exec' ? exec : Reflect.get(one, key)) });
    const env = { PATH: await pathWith(shell, ['timeout', 'sleep', 'grep']) };
    const target = targetFor(engine, [process.execPath, fixture('plain.mjs')], { env });
    const bounds = { limitMs: 60_000, renews: false, patienceMs: 0, graceMs: 5_000 };
    const first = await startSessionProcess(target, bounds);
    const second = await startSessionProcess(target, bounds);
    if (lack !== undefined) {
      const { exitCode } = await second.exec.ended;
      expect([exitCode, second.noRoom(exitCode)]).toEqual([75, lack]);
    }
    expect(await second.end()).toEqual({ how: 'by-itself' });
    expect(second.noRoom(0)).toEqual(lack);
    await first.end();
  });

  it.skipIf(!existsSync('/usr/bin/choom'))('a server dies with the process that bounds it', async () => {
    const mark = `${process.pid}-bound-${shell}`;
    const session = await start(['timeout', 'sleep', 'grep'], ['--stubborn'], 60_000, mark);
    session.exec.stdout.resume();
    const running = (program: string): string | undefined =>
      processesWith(`MARK=${mark}`).find((id) =>
        readFileSync(`/proc/${id}/cmdline`, 'utf8').startsWith(`${program}\0`),
      );
    await eventually(() => expect(running(process.execPath)).toBeDefined());
    process.kill(Number(running('timeout')), 'SIGKILL');
    await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 20_000);
    await session.end();
  });

  it.concurrent.each(variants)(
    '%s: a server that ignores SIGTERM is gone five seconds after its limit',
    async (name, tools) => {
      const mark = `${process.pid}-limit-${shell}-${name}`;
      const session = await start(tools, ['--stubborn'], 1_000, mark);
      session.exec.stdout.resume();
      await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 30_000, 100);
      await session.end();
    },
    60_000,
  );
});

describe('an image without a shell', () => {
  it('runs the argv bare, and says that a server which stays cannot be ended', async () => {
    const local = localEngine();
    const mark = `${process.pid}-bare`;
    const argv = [process.execPath, fixture('plain.mjs'), '--ignore-eof'];
    const session = await startSessionProcess(targetFor(local.engine, argv, { hasShell: false, env: { MARK: mark } }), {
      limitMs: 60_000,
      renews: false,
      patienceMs: 0,
      graceMs: 300,
    });
    expect(local.execs[0]).toEqual(argv);
    expect(await session.end()).toEqual({ how: 'abandoned', why: 'the image has no shell' });
    for (const id of processesWith(`MARK=${mark}`)) process.kill(Number(id));
  });
});
