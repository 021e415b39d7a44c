import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Duplex, PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { asContainerId, asServerName, carrierName } from '../../../src/model/ids.ts';
import type { DialRequest } from '../../../src/orchestrator/session-host.ts';
import { type Relays, relayDial } from '../../../src/relay/dial.ts';
import { eventually } from '../../support/eventually.ts';

const usual: Omit<Relays, 'exec'> = {
  containerRunning: async () => ({ running: true, run: '', exitCode: 0, engineHealth: null }),
  placeOf: () => ({ relay: asContainerId('relay'), host: '127.0.0.1' }),
  hints: { unable: 'unable', foreign: 'foreign' },
};
const requestFor = (held: AbortSignal, ms: number): DialRequest => ({
  server: asServerName('web'),
  reach: { way: 'relay', host: '127.0.0.1' },
  deadline: performance.now() + ms,
  signal: new AbortController().signal,
  held,
});

/** Dials through a relay in which each process ends at once like this. */
async function dialWhere(exitCode: number | null, ms: number) {
  let begun = 0;
  const dial = relayDial({
    exec: async () => {
      begun += 1;
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      return { stdin, stdout, stderr, ended: Promise.resolve({ exitCode }), destroy: () => {} };
    },
    ...usual,
  });
  const held = new AbortController();
  const error = await dial(asContainerId('c'), 80, requestFor(held.signal, ms)).catch((thrown: unknown) => thrown);
  held.abort();
  return { begun, error };
}

it.each([null, 137])('begins a process that ended at once with %s again after a pause', async (exitCode) => {
  const { begun, error } = await dialWhere(exitCode, 700);
  expect(begun).toBeGreaterThan(1);
  expect(begun).toBeLessThan(20);
  expect(error).toMatchObject({ code: 'session-failed' });
});

it('begins none again that says that it cannot run', async () => {
  expect(await dialWhere(2, 700)).toMatchObject({ begun: 1, error: { code: 'session-failed' } });
});

/** Dials through processes on this machine; the last of them, and how it ended. */
function here() {
  let last: { readonly pid: number | undefined; readonly ended: Promise<{ readonly exitCode: number | null }> };
  const dial = relayDial({
    async exec(_relay, { argv: [program = '', ...words] }) {
      const carrier = spawn(program, words);
      const { pid, stdin, stdout, stderr } = carrier;
      const ended = once(carrier, 'exit').then(([exitCode]) => ({ exitCode }));
      last = { pid, ended };
      return { stdin, stdout, stderr, ended, destroy: () => void carrier.kill() };
    },
    ...usual,
  });
  const name = (): string => readFileSync(`/proc/${last.pid}/cmdline`, 'utf8').replaceAll('\0', '');
  return { dial, name, ended: () => last.ended, tellToLeave: () => process.kill(last.pid ?? 0, 'SIGTERM') };
}

it('has its process say of how many sessions the connections are, until there is none', async () => {
  const { dial, name, ended } = here();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const holders = [new AbortController(), new AbortController()];
  for (const [index, { signal: held }] of holders.entries()) {
    const stream = await dial(asContainerId('c'), port, requestFor(held, 5_000));
    await eventually(() => expect(name()).toBe(`${carrierName} ${index + 1}`));
    stream.destroy();
  }
  holders[0]?.abort();
  await eventually(() => expect(name()).toBe(`${carrierName} 1`));
  holders[1]?.abort();
  expect(await ended()).toEqual({ exitCode: 0 });
  server.close();
});

describe('a process that is told to leave', () => {
  /** Connections on each of which a request was sent, as a server has them, and what the clients have of it. */
  async function carrying(heads: readonly string[], answersOnStream = false) {
    const { dial, ended, tellToLeave } = here();
    const held = new AbortController();
    const atServer: Socket[] = [];
    const server = createServer((socket) => void atServer.push(socket.resume())).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const streams: Duplex[] = [];
    for (const [index, head] of heads.entries()) {
      const stream = await dial(asContainerId('c'), port, { ...requestFor(held.signal, 5_000), answersOnStream });
      streams.push(stream);
      stream.write(head);
      await eventually(() => expect(atServer[index]?.bytesRead).toBeGreaterThan(0));
    }
    const answer = (index: number, body: string): void => void atServer[index]?.end(body);
    const clean = (): void => {
      held.abort();
      server.close();
    };
    return { streams, answer, ended, tellToLeave, clean };
  }

  it('hands on what is waited for before, and does not wait for an open stream', async () => {
    const { streams, answer, ended, tellToLeave, clean } = await carrying([
      'GET /mcp HTTP/1.1\r\n\r\n',
      'POST /mcp HTTP/1.1\r\n\r\n{}',
    ]);
    const [news, call] = streams.map((stream) => text(stream));
    tellToLeave();
    tellToLeave();
    const big = 'x'.repeat(1_000_000);
    answer(1, big);
    expect(await call).toBe(big);
    expect(await ended()).toEqual({ exitCode: 143 });
    expect(await news).toBe('');
    clean();
  });

  it('goes at once where nothing is waited for', async () => {
    const { ended, tellToLeave, clean } = await carrying([
      'GET /mcp HTTP/1.1\r\n\r\n',
      'POST /mcp HTTP/1.1\r\nmcp-method: subscriptions/listen\r\n\r\n{}',
    ]);
    tellToLeave();
    expect(await ended()).toEqual({ exitCode: 143 });
    clean();
  });

  it('waits for an open stream where answers come on it', async () => {
    const { streams, answer, ended, tellToLeave, clean } = await carrying(['GET /sse HTTP/1.1\r\n\r\n'], true);
    const [call] = streams.map((stream) => text(stream));
    tellToLeave();
    answer(0, 'an answer');
    expect(await call).toBe('an answer');
    expect(await ended()).toEqual({ exitCode: 143 });
    clean();
  });
});
