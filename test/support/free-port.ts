import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that the kernel hands out by itself (32768 on): nobody comes by it by chance before a test's own program does. */
const [first, last] = [10_000, 32_000] as const;

/** A port of this machine that nobody listens on at any address, for a program that takes it a while later. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(first, last);
    const server = createServer();
    try {
      await once(server.listen(port), 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
