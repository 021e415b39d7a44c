import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asProjectName } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';

// Runs alone (vitest.config.ts): with the containerd store Docker (28.5) can lose what others build or commit in the moment in
// which an image goes.
describe.skipIf(withoutEngine())('the image of the lock on a real engine', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('lock-image');
  });
  afterAll(() => bench?.close());

  test('is made by the first of many projects that take their locks where it has just gone', async () => {
    const request = { who: 'anna', host: 'here', pid: 1, command: 'apply', lifetimeMs: 60_000 };
    for (let round = 0; round < 5; round += 1) {
      await bench.docker
        .getImage('looms/lock:v1')
        .remove()
        // Somebody else on this engine has a lock.
        .catch(() => {});
      const projects = Array.from({ length: 6 }, (_, index) => asProjectName(`${bench.project}-${index}`));
      const taken = await Promise.all(projects.map((project) => bench.engine.acquireLock(project, request)));
      expect(taken.map(({ result }) => result)).toEqual(projects.map(() => 'acquired'));
      await Promise.all(taken.map((one) => 'lock' in one && bench.engine.releaseLock(one.lock.id)));
    }
  });
});
