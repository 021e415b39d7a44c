import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { label, recordName } from '../../src/docker/model/labels.ts';
import type { GenerationRecord } from '../../src/docker/model/observed.ts';
import { asImageId, asServerName, type ContainerId } from '../../src/model/ids.ts';
import { type EngineBench, engineBench, testImage } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';

describe.skipIf(withoutEngine())('records of past generations on a real engine', () => {
  let bench: EngineBench;
  const tags: string[] = [];
  beforeAll(async () => {
    bench = await engineBench('history');
  });
  afterAll(async () => {
    await bench?.close();
    for (const tag of tags)
      await bench.docker
        .getImage(tag)
        .remove({ force: true })
        .catch(() => undefined);
  });

  /** A container as looms makes it, of an image of its own. */
  const generation = async (server: string, image: string, number = 1): Promise<ContainerId> => {
    const facts = await bench.engine.findImage(image);
    if (facts === null) throw new Error(`no image ${image}`);
    const ownLabels = {
      ...bench.labels,
      [label.server]: server,
      [label.role]: 'server',
      [label.generation]: String(number),
      [label.specHash]: 'v1:abc',
      [label.image]: image,
      [label.source]: 'a.yaml:1',
      [label.loomType]: 'mcp-server',
    };
    return bench.run(server, { imageId: facts.id }, { ownLabels });
  };
  const named = (server: string, number = 1): string => recordName(bench.project, asServerName(server), number);
  const recordOf = async (server: string): Promise<GenerationRecord | undefined> => {
    const { history } = await bench.engine.observe({ project: bench.project, images: [], checkRegistry: [] });
    return history.find((record) => record.server === server);
  };
  /** An image of its own with a label, as if looms had built it. */
  const ownImage = async (changes: readonly string[], labels: Record<string, string> = {}): Promise<string> => {
    const tag = `t-history:${randomBytes(4).toString('hex')}`;
    tags.push(tag);
    const { id } = bench.docker.getContainer(await bench.create(`maker-${tags.length}`));
    const [repo, version] = tag.split(':');
    await bench.docker.getContainer(id).commit({ repo, tag: version, changes: [...changes], labels });
    await bench.docker.getContainer(id).remove();
    return tag;
  };

  test('tell what the generation was made from, when it began and ended, and how, and are no servers', async () => {
    const id = await generation('told', testImage, 7);
    const { Created: created, Image: image } = await bench.docker.getContainer(id).inspect();
    expect(await bench.engine.recordGeneration(id, { record: named('told', 7), outcome: 'rotated' })).toBe(true);
    await bench.engine.removeContainer(id);
    const record = await recordOf('told');
    expect(record).toMatchObject({
      name: named('told', 7),
      generation: 7,
      outcome: 'rotated',
      since: Date.parse(created),
      specHash: 'v1:abc',
      source: 'a.yaml:1',
      imageRef: testImage,
      imageId: image,
    });
    expect(record?.until).toBeGreaterThanOrEqual(Math.floor(Date.parse(created) / 1000) * 1000);
    const { containers } = await bench.engine.observe({ project: bench.project, images: [], checkRegistry: [] });
    expect(containers.map(({ server }) => server)).not.toContain('told');
    const loom = { all: true, filters: { label: ['loom.type=mcp-server', `${label.project}=${bench.project}`] } };
    expect(await bench.docker.listContainers(loom)).toEqual([]);
  });

  test('are made once: a second try finds the first', async () => {
    const id = await generation('twice', testImage);
    const request = { record: named('twice'), outcome: 'replaced' } as const;
    expect(await bench.engine.recordGeneration(id, request)).toBe(true);
    const first = await recordOf('twice');
    expect(await bench.engine.recordGeneration(id, request)).toBe(true);
    expect(await recordOf('twice')).toEqual(first);
  });

  test('do not take the name of what somebody else made', async () => {
    const id = await generation('foreign', testImage);
    const other = await bench.docker.createContainer({ Image: testImage, name: named('foreign'), Cmd: ['true'] });
    try {
      await expect(
        bench.engine.recordGeneration(id, { record: named('foreign'), outcome: 'replaced' }),
      ).rejects.toMatchObject({ code: 'engine-conflict' });
    } finally {
      await other.remove();
    }
  });

  test('cannot be made of a generation that is gone', async () => {
    const id = await generation('gone', testImage);
    await bench.engine.removeContainer(id);
    expect(await bench.engine.recordGeneration(id, { record: named('gone'), outcome: 'replaced' })).toBe(false);
  });

  test('keep their image: nobody can prune it, and looms itself leaves it', async () => {
    const tag = await ownImage([], { [label.managedBy]: 'looms/test' });
    const id = await generation('pinned', tag);
    await bench.engine.recordGeneration(id, { record: named('pinned'), outcome: 'replaced' });
    await bench.engine.removeContainer(id);
    const { imageId } = (await recordOf('pinned')) ?? { imageId: asImageId('') };
    // As `docker image prune --all` does it for each image: without force.
    await expect(bench.docker.getImage(tag).remove()).rejects.toMatchObject({ statusCode: 409 });
    expect(await bench.engine.removeBuiltImage(imageId, tag)).toBe(false);
    expect(await bench.engine.findImage(tag)).not.toBeNull();

    await bench.engine.removeContainer((await recordOf('pinned'))?.id ?? ('' as ContainerId));
    expect(await bench.engine.removeBuiltImage(imageId, tag)).toBe(true);
    expect(await bench.engine.findImage(tag)).toBeNull();
    expect(await bench.engine.removeBuiltImage(imageId, tag)).toBe(true);
  });

  test('do not let an image go that looms did not build, or that has another name too', async () => {
    const foreign = await ownImage([]);
    const foreignId = (await bench.engine.findImage(foreign))?.id ?? asImageId('');
    expect(await bench.engine.removeBuiltImage(foreignId, foreign)).toBe(false);
    const own = await ownImage([], { [label.managedBy]: 'looms/test' });
    const ownId = (await bench.engine.findImage(own))?.id ?? asImageId('');
    await bench.docker.getImage(own).tag({ repo: 't-history', tag: 'other' });
    tags.push('t-history:other');
    expect(await bench.engine.removeBuiltImage(ownId, own)).toBe(false);
    expect(await bench.engine.findImage(own)).not.toBeNull();
  });

  test('make no volumes, whatever their image declares', async () => {
    const tag = await ownImage(['VOLUME /var/lib/things']);
    const id = await generation('volumes', tag);
    await bench.engine.recordGeneration(id, { record: named('volumes'), outcome: 'replaced' });
    const { Mounts: mounts } = await bench.docker.getContainer(named('volumes')).inspect();
    expect(mounts.filter(({ Type }) => (Type as string) === 'volume')).toEqual([]);
  });

  test('are not what somebody makes by hand of an image that was committed from one', async () => {
    const id = await generation('committed', testImage);
    await bench.engine.recordGeneration(id, { record: named('committed'), outcome: 'replaced' });
    const tag = `t-history:${randomBytes(4).toString('hex')}`;
    tags.push(tag);
    await bench.docker.getContainer(named('committed')).commit({ repo: 't-history', tag: tag.split(':')[1] });
    const copy = await bench.docker.createContainer({ Image: tag, name: `mine-${bench.project}`, Cmd: ['true'] });
    try {
      const { history } = await bench.engine.observe({ project: bench.project, images: [], checkRegistry: [] });
      expect(history.map((record) => record.id)).not.toContain(copy.id);
      expect(history.map(({ name }) => name)).toContain(named('committed'));
    } finally {
      await copy.remove();
    }
  });
});
