import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import type { DialRequest } from '../../../src/orchestrator/session-host.ts';
import { type Relays, relayDial } from '../../../src/relay/dial.ts';
import { carrierName } from '../../../src/relay/program.ts';
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

it('has its process say of how many sessions the connections are, until there is none', async () => {
  let pid: number | undefined;
  let ended: Promise<{ readonly exitCode: number | null }> = Promise.resolve({ exitCode: null });
  const dial = relayDial({
    async exec(_relay, { argv: [program = '', ...words] }) {
      const carrier = spawn(program, words);
      const { stdin, stdout, stderr } = carrier;
      ended = once(carrier, 'exit').then(([exitCode]) => ({ exitCode }));
      pid = carrier.pid;
      return { stdin, stdout, stderr, ended, destroy: () => void carrier.kill() };
    },
    ...usual,
  });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const holders = [new AbortController(), new AbortController()];
  const name = (): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', '');
  for (const [index, { signal: held }] of holders.entries()) {
    const stream = await dial(asContainerId('c'), port, requestFor(held, 5_000));
    await eventually(() => expect(name()).toBe(`${carrierName} ${index + 1}`));
    stream.destroy();
  }
  holders[0]?.abort();
  await eventually(() => expect(name()).toBe(`${carrierName} 1`));
  holders[1]?.abort();
  expect(await ended).toEqual({ exitCode: 0 });
  server.close();
});
