import { homedir } from 'node:os';
import { discoverEndpoint } from '../../src/docker/engine/connection/discovery.ts';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import type { LockHolder } from '../../src/docker/port.ts';
import { asProjectName } from '../../src/model/ids.ts';
import { unsignedRecords } from './unsigned-records.ts';

/** Takes a project's lock as somebody on another machine who never gives it back; it goes with the test's project. */
export async function holdLock(
  project: string,
  change: { lifetimeMs?: number; host?: string } = {},
): Promise<LockHolder> {
  const { endpoint } = await discoverEndpoint({
    environment: process.env,
    homeDirectory: homedir(),
    platform: process.platform,
  });
  const engine = await connectDocker(endpoint, { records: unsignedRecords(), environment: process.env });
  try {
    const holder = {
      who: 'anna',
      host: 'elsewhere',
      pid: 4711,
      command: 'looms apply',
      lifetimeMs: 600_000,
      ...change,
    };
    const attempt = await engine.acquireLock(asProjectName(project), holder);
    if (attempt.result !== 'acquired') throw new Error(`the lock is held by ${attempt.holder.who}`);
    return attempt.lock;
  } finally {
    await engine.close();
  }
}
