import { homedir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { discoverEndpoint } from '../../src/docker/engine/connection/discovery.ts';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import { asProjectName } from '../../src/model/ids.ts';
import { unsignedRecords } from './unsigned-records.ts';

/**
 * A process that takes a project's lock again and again: `lock-contender.ts PROJECT CONTENDERS TURNS`. Prints one JSON
 * line a turn with when it held the lock, in ms on the machine's monotonic clock, which all processes share.
 */
const [project = '', contenders = '1', turns = '1'] = process.argv.slice(2);
const { endpoint } = await discoverEndpoint({
  environment: process.env,
  homeDirectory: homedir(),
  platform: process.platform,
});
const engine = await connectDocker(endpoint, { records: unsignedRecords(), environment: process.env });
const now = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

async function contend(who: string): Promise<void> {
  for (let turn = 0; turn < Number(turns); ) {
    const request = { who, host: 'here', pid: process.pid, command: 'test', lifetimeMs: 60_000 };
    const attempt = await engine.acquireLock(asProjectName(project), request);
    if (attempt.result === 'held') {
      await delay(5);
      continue;
    }
    const from = now();
    await delay(5);
    await engine.checkLock(attempt.lock);
    const to = now();
    await engine.releaseLock(attempt.lock.id);
    console.log(JSON.stringify({ who, from, to }));
    turn += 1;
  }
}

await Promise.all(Array.from({ length: Number(contenders) }, (_, index) => contend(`${process.pid}/${index}`)));
await engine.close();
