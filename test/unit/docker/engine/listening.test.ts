import type { Server } from 'node:http';
import { expect, test } from 'vitest';
import { asContainerId } from '../../../../src/model/ids.ts';
import { answeringEngine } from '../../../support/answering-engine.ts';

const container = asContainerId('c'.repeat(64));

/** Half of the output that its frame announces, and more than lies in buffers on the way: who took it reads the exec. */
function halfOfAFrame(): Buffer {
  const half = 4 * 1024 ** 2;
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(2 * half, 4);
  return Buffer.concat([header, Buffer.alloc(half, ' ')]);
}

/** An engine that begins an exec and goes silent in the middle of its output. */
async function silentInTheMiddle() {
  const taken = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const prepare = (server: Server): void => {
    server.on('upgrade', (_request, socket) => {
      socket.on('error', () => undefined).on('close', () => closed.resolve());
      socket.resume();
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
      socket.write(halfOfAFrame(), () => taken.resolve());
    });
  };
  const answer = ({ path }: { readonly path: string }) => (path.endsWith('/exec') ? { Id: 'e'.repeat(64) } : undefined);
  const one = await answeringEngine(answer, { prepare });
  return { ...one, taken: taken.promise, closed: closed.promise };
}

test('a look at what listens ends with its caller’s signal, and its connection too, when the engine goes silent', async () => {
  await using one = await silentInTheMiddle();
  const stop = new AbortController();
  const look = one.engine.listeningOn(container, { signal: stop.signal });
  await one.taken;
  stop.abort();
  await expect(look).rejects.toMatchObject({ code: 'interrupted' });
  await one.closed;
});
