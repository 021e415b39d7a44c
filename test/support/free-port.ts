import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below those that the kernel hands out by itself (32768 on): nobody comes by it by chance before a test's own program does. */
const usual = [10_000, 32_000] as const;

/** How many ports are tried: of a range that is nearly taken, each many times. */
const mostTries = 500;

/**
 * A port of this machine that nobody listens on at any address, for a program that takes it a while later.
 *
 * @param range the first and the last that it may be
 * @throws where none of those tried is free
 */
export async function freePort([first, last]: readonly [number, number] = usual): Promise<number> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const port = randomInt(first, last + 1);
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
  throw new Error(`no free port from ${first} to ${last}`);
}
