import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Engine, ExecSession } from '../../../src/docker/port.ts';
import { keeperOf } from '../../../src/mcp/link/keeper.ts';
import { startSessionProcess } from '../../../src/mcp/link/session-process.ts';
import { asContainerId, keeperName } from '../../../src/model/ids.ts';
import { eventually } from '../../support/eventually.ts';
import { fixture, localEngine, targetFor } from './local-engine.ts';

const processesWith = (variable: string): string[] =>
  readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(variable);
    } catch {
      return false; // It ended between the two calls.
    }
  });

/** An engine that says what it was asked for, with the keepers that run on it; `fails` of their execs are refused. */
function engineWithKeepers({ fails = 0 } = {}) {
  const { engine, execs } = localEngine();
  const keepers: ExecSession[] = [];
  let left = fails;
  const exec: Engine['exec'] = async (id, request, options) => {
    if (!request.argv.includes(keeperName)) return engine.exec(id, request, options);
    if (left-- > 0) throw new Error('no room');
    const keeper = await engine.exec(id, request, options);
    keepers.push(keeper);
    return keeper;
  };
  const kept = new Proxy(engine, { get: (to, key) => (key === 'exec' ? exec : Reflect.get(to, key)) });
  return { engine: kept, execs, keepers };
}
const stubborn = (engine: Engine, mark: string, limitMs: number) =>
  startSessionProcess(
    targetFor(engine, [process.execPath, fixture('plain.mjs'), '--ignore-eof'], { env: { MARK: mark } }),
    { limitMs, renews: true, patienceMs: 0, graceMs: 300 },
  );

it('one exec keeps all sessions of a program in a container, and ends with them', async () => {
  const { engine, execs, keepers } = engineWithKeepers();
  const marks = [1, 2, 3].map((index) => `${process.pid}-kept-${index}`);
  const sessions = await Promise.all(marks.map((mark) => stubborn(engine, mark, 3_000)));
  await delay(9_000);
  for (const mark of marks) expect(processesWith(`MARK=${mark}`).length).toBeGreaterThan(0);
  // Three servers, and one that keeps them: a renewal is no exec.
  expect([execs.length, keepers.length]).toEqual([4, 1]);
  await sessions[0]?.end();
  expect(processesWith(`MARK=${marks[0]}`)).toEqual([]);
  expect(processesWith(`MARK=${marks[1]}`).length).toBeGreaterThan(0);
  await Promise.all(sessions.map((session) => session.end()));
  expect(await keepers[0]?.ended).toEqual({ exitCode: 0 });
}, 60_000);

it('what its program held is ended soon after that died, long before the lease is over', async () => {
  const { engine, keepers } = engineWithKeepers();
  const mark = `${process.pid}-left-behind`;
  const session = await stubborn(engine, mark, 600_000);
  await eventually(() => expect(processesWith(`MARK=${mark}`).length).toBeGreaterThan(1));
  await eventually(() => expect((keepers[0]?.stdin as Socket | undefined)?.bytesWritten).toBeGreaterThan(0));
  keepers[0]?.stdin.end();
  await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 30_000);
  await session.end();
}, 60_000);

it('what had not said who watches it when its program died is ended as well', async () => {
  const { engine, keepers } = engineWithKeepers();
  const silent: Engine['exec'] = async (id, request, options) => {
    const made = await engine.exec(id, request, options);
    return request.argv.includes(keeperName) ? made : { ...made, stderr: new PassThrough() };
  };
  const mark = `${process.pid}-silent`;
  const session = await stubborn({ ...engine, exec: silent }, mark, 600_000);
  await eventually(() => expect(processesWith(`MARK=${mark}`).length).toBeGreaterThan(1));
  await eventually(() => expect(keepers).toHaveLength(1));
  keepers[0]?.stdin.end();
  await eventually(() => expect(processesWith(`MARK=${mark}`)).toEqual([]), 30_000);
  await session.end();
}, 60_000);

it('a keeper that breaks is followed by one other, whenever the first one ends', async () => {
  const made: { readonly stdin: PassThrough; readonly end: () => void }[] = [];
  const exec = async (): Promise<ExecSession> => {
    const { promise: ended, resolve } = Promise.withResolvers<{ exitCode: number | null }>();
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    made.push({ stdin, end: () => resolve({ exitCode: null }) });
    return { stdin, stdout, stderr, ended, destroy: () => {} };
  };
  const sessions = { ...localEngine().engine, exec };
  const keeper = keeperOf({ sessions, container: asContainerId('one') }, 60);
  const session = { mark: 'a', group: () => 1, watcher: () => '2', renew: async () => {} };
  keeper.add(session);
  await eventually(() => expect(made).toHaveLength(1));
  made[0]?.stdin.destroy(new Error('the connection broke'));
  await eventually(() => expect(made).toHaveLength(2));
  made[0]?.end();
  const heard = () => made[1]?.stdin.readableLength ?? 0;
  const before = heard();
  await eventually(() => expect(heard()).toBeGreaterThan(before + 10));
  expect(made).toHaveLength(2);
  keeper.remove(session);
  await eventually(() => expect(made[1]?.stdin.writableEnded).toBe(true));
});

it('a lease is renewed by an exec of its own where the keeper cannot run, and by the next keeper', async () => {
  const { engine, keepers } = engineWithKeepers({ fails: 3 });
  const mark = `${process.pid}-unkept`;
  const session = await stubborn(engine, mark, 3_000);
  await delay(9_000);
  expect(processesWith(`MARK=${mark}`).length).toBeGreaterThan(0);
  expect(keepers.length).toBe(1);
  await session.end();
}, 60_000);
