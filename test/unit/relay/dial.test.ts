import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import { relayDial } from '../../../src/relay/dial.ts';

/** Dials through a relay in which each process ends at once like this. */
async function dialWhere(exitCode: number | null, ms: number) {
  let begun = 0;
  const dial = relayDial({
    exec: async () => {
      begun += 1;
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      return { stdin, stdout, stderr, ended: Promise.resolve({ exitCode }), destroy: () => {} };
    },
    containerRunning: async () => ({ running: true, run: '', exitCode: 0, engineHealth: null }),
    placeOf: () => ({ relay: asContainerId('relay'), host: '127.0.0.1' }),
    hints: { unable: 'unable', foreign: 'foreign' },
  });
  const held = new AbortController();
  const request = {
    server: asServerName('web'),
    reach: { way: 'relay', host: '127.0.0.1' },
    deadline: performance.now() + ms,
    signal: new AbortController().signal,
    held: held.signal,
  };
  const error = await dial(asContainerId('c'), 80, request).catch((thrown: unknown) => thrown);
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
