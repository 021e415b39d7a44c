import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { openSession } from '../../../src/mcp/client/connect.ts';
import type { Session, SessionOptions } from '../../../src/mcp/client/session.ts';
import { createExecFrames } from '../../../src/mcp/link/exec-frames.ts';
import { eventually } from '../../support/eventually.ts';
import { fixture, localEngine, targetFor } from './local-engine.ts';

const sessions: Session[] = [];
const ends: (() => void)[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  for (const end of ends.splice(0)) end();
});

async function overStdio(flags: readonly string[], pings: number, options: SessionOptions = {}): Promise<Session> {
  const argv = [process.execPath, fixture('pings.mjs'), ...flags];
  const session = await openSession(targetFor(localEngine().engine, argv, { env: { PINGS: String(pings) } }), options);
  sessions.push(session);
  return session;
}

async function overHttp(pings: number): Promise<Session> {
  const child = spawn(process.execPath, [fixture('pings.mjs')], {
    env: { ...process.env, PORT: '0', PINGS: String(pings) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  ends.push(() => child.kill('SIGKILL'));
  const port = Number(String((await once(child.stderr, 'data'))[0]).replace('listening on ', ''));
  const mcp = { transport: { kind: 'streamable-http', port, path: '/' } } as const;
  const target = targetFor(localEngine().engine, [], { mcp });
  const session = await openSession({ ...target, reach: { way: 'relay', host: '127.0.0.1' } });
  sessions.push(session);
  return session;
}

/** What `work` returns, and the most memory that this process had meanwhile beyond what it had before, MiB. */
async function withMemory<T>(work: () => Promise<T>): Promise<{ value: T; grown: number }> {
  const before = process.memoryUsage.rss();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss());
  }, 20);
  try {
    return { value: await work(), grown: (Math.max(most, process.memoryUsage.rss()) - before) / 1024 ** 2 };
  } finally {
    clearInterval(watch);
  }
}

const call = { timeoutMs: 60_000 };

describe('a server that asks for more than it can be given', () => {
  it('is answered 100,000 pings, and another 100,000 in the same memory', async () => {
    const session = await overStdio([], 100_000);
    expect((await session.callTool('go', {}, call)).content[0]?.text).toBe('100000 pongs');
    const other = await overStdio([], 100_000);
    const { value, grown } = await withMemory(() => other.callTool('go', {}, call));
    expect(value.content[0]?.text).toBe('100000 pongs');
    expect(grown).toBeLessThan(100);
  }, 240_000);

  it('is left alone where it does not read what it is answered, and the call can be ended', async () => {
    const session = await overStdio(['--deaf'], 1_000_000);
    const { value, grown } = await withMemory(() =>
      session.callTool('go', {}, { ...call, signal: AbortSignal.timeout(3_000) }).catch((error: unknown) => error),
    );
    expect(value).toMatchObject({ code: 'interrupted' });
    expect(grown).toBeLessThan(200);
  }, 240_000);

  it('is answered over HTTP on a few connections', async () => {
    const session = await overHttp(3_000);
    const { value, grown } = await withMemory(() => session.callTool('go', {}, call));
    expect(value.content[0]?.text).toBe('3000 pongs');
    expect(grown).toBeLessThan(200);
  }, 240_000);

  it('is not answered more than fifty questions', async () => {
    let answered = 0;
    const session = await overStdio(['--asks'], 0, {
      answer: async () => {
        answered += 1;
        return { action: 'decline' };
      },
    });
    await expect(session.callTool('go', {}, call)).rejects.toMatchObject({
      code: 'input-refused',
      message: 'unit asked more than 50 questions during one session',
    });
    expect(answered).toBe(50);
  });
});

it('what a server sends stays in its pipe while it leaves more than a mebibyte of answers unread', async () => {
  const stdin = new PassThrough({ highWaterMark: 64 });
  const stdout = new PassThrough({ highWaterMark: 64 * 1024 });
  const ended = new Promise<{ exitCode: number | null }>(() => {});
  const transport = createExecFrames(
    { stdin, stdout, stderr: new PassThrough(), ended, destroy() {} },
    { onStray: () => {}, onText: () => {} },
  );
  let answered = 0;
  transport.onmessage = (message) => {
    answered += 1;
    if ('id' in message && message.id !== undefined) {
      void transport.send({ jsonrpc: '2.0', id: message.id, result: { text: 'x'.repeat(1_000) } });
    }
  };
  await transport.start();
  const asked = 20_000;
  for (let id = 0; id < asked; id++) stdout.write(`{"jsonrpc":"2.0","id":${id},"method":"ping"}\n`);
  await eventually(() => expect(answered).toBeGreaterThan(1_000));
  await eventually(() => expect(stdout.isPaused()).toBe(true));
  expect(answered).toBeLessThan(1_200);
  stdin.resume();
  await eventually(() => expect(answered).toBe(asked), 60_000);
}, 120_000);
