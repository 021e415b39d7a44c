import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { containerName } from '../../src/docker/model/labels.ts';
import { asServerName } from '../../src/model/ids.ts';
import { type EngineBench, engineBench, testImage } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';

describe.skipIf(withoutEngine())('containers that claim to be of looms', () => {
  let bench: EngineBench;
  let repo: string;
  beforeAll(async () => {
    bench = await engineBench('claims');
    repo = `looms-test/${bench.project}-forged`;
  });
  afterAll(() => bench?.close());

  /** An image that says all that a server's container says, and more; and a container of it, run by anybody. */
  async function runForged(more: Readonly<Record<string, string>>) {
    const labels = {
      ...bench.labels,
      'looms.server': 'forged',
      'looms.generation': '7',
      'looms.spec': '{}',
      ...more,
    };
    const base = await bench.docker.createContainer({ Image: testImage, Labels: labels, Cmd: ['sleep', '60'] });
    await base.commit({ repo });
    await base.remove({ force: true });
    const name = containerName(bench.project, asServerName('forged'));
    return bench.docker.createContainer({ Image: repo, name, Cmd: ['sleep', '60'] });
  }

  test.each([
    ['a role', { 'looms.role': 'server' }],
    ['no role', {}],
    ['the id of an image', { 'looms.role': 'server', 'looms.image-id': `sha256:${'a'.repeat(64)}` }],
    ['the role of a record', { 'looms.role': 'history' }],
    ['the role of a relay', { 'looms.role': 'relay' }],
  ])('are nobody’s when their image says it, with %s', async (_, more) => {
    const stranger = await runForged(more);
    try {
      const observed = await bench.engine.observe({ project: bench.project, images: [], checkRegistry: [] });
      expect([...observed.containers, ...observed.history].map(({ id }) => id)).not.toContain(stranger.id);
      expect(observed.foreign.filter(({ id }) => id === stranger.id)).toMatchObject([{ claims: true }]);
      expect((await bench.engine.locate(bench.project)).map(({ id }) => id)).not.toContain(stranger.id);
    } finally {
      await stranger.remove({ force: true });
      await bench.docker.getImage(repo).remove({ force: true });
    }
  });

  test('are ours when looms made them, by the id of the image that the engine reads back', async () => {
    const id = await bench.create('made');
    const { Image: image, Config: config } = await bench.docker.getContainer(id).inspect();
    expect(config.Labels['looms.image-id']?.replace('sha256:', '')).toBe(image.replace('sha256:', ''));
    const located = await bench.engine.locate(bench.project);
    expect(located.map((one) => one.id)).toContain(id);
  });
});
