import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { discoverEndpoint } from '../../src/docker/engine/connection/discovery.ts';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import { imagePublisher } from '../../src/docker/publish.ts';
import { recipeFor } from '../../src/image/recipe.ts';
import type { Recipe } from '../../src/model/container/recipe.ts';
import { LoomsError } from '../../src/model/errors.ts';
import type { StepProgress } from '../../src/model/events.ts';
import type { ImagePublisher } from '../../src/orchestrator/publish.ts';
import { imageBench, withoutEngine } from '../support/images.ts';
import { onPodman } from '../support/podman.ts';
import { startRegistry, type TestRegistry } from '../support/registry.ts';
import { unsignedRecords } from '../support/unsigned-records.ts';

describe.skipIf(withoutEngine())('publishing an image', () => {
  const bench = imageBench('publish.test.ts');
  const nonce = `${process.pid}-${Date.now()}`;
  const credentials = { user: 'writer', password: 'only for the test' };
  const built: string[] = [];
  let open: TestRegistry;
  let locked: TestRegistry;
  let folder = '';
  let publisher: ImagePublisher;

  /** A publisher whose user has this Docker configuration. */
  const withConfig = async (config: object): Promise<ImagePublisher> => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const environment = { ...process.env, DOCKER_CONFIG: folder };
    const place = { environment: process.env, homeDirectory: homedir(), platform: process.platform };
    const { endpoint } = await discoverEndpoint(place);
    const engine = await connectDocker(endpoint, { records: unsignedRecords(), environment });
    return imagePublisher(engine, { managedBy: 'looms/test', environment: {} });
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'looms-publish-'));
    [open, locked] = await Promise.all([startRegistry(), startRegistry({ credentials })]);
    publisher = await withConfig({});
  });
  afterAll(async () => {
    await publisher?.close();
    await Promise.all([open?.stop(), locked?.stop()]);
    for (const ref of built)
      await bench.docker
        .getImage(ref)
        .remove()
        .catch(() => {});
    await rm(folder, { recursive: true, force: true });
    await bench.clean();
  });

  function recipe(mark: string): Recipe {
    const made = recipeFor(
      { kind: 'build', from: 'debian:bookworm-slim', env: { MARK: `${nonce} ${mark}` }, copy: [], run: [] },
      { files: [] },
    );
    if (made === null) throw new Error('no recipe');
    built.push(made.ref);
    return made;
  }
  const thereOf = ({ ref }: Recipe, { host }: TestRegistry): string => `${host}/team/${ref.split('/').at(-1)}`;
  const publish = (made: Recipe, registry: TestRegistry, by = publisher, seen: StepProgress[] = []) =>
    by.publish({ here: made.ref, there: thereOf(made, registry), recipe: made, mayPull: true }, (one) => {
      seen.push(one);
    });
  const statusOf = async (there: string): Promise<number> => {
    const [host, ...path] = there.split('/');
    const [name, tag] = path.join('/').split(':');
    const accept = [
      'application/vnd.docker.distribution.manifest.v2+json',
      'application/vnd.oci.image.manifest.v1+json',
      'application/vnd.oci.image.index.v1+json',
    ].join(', ');
    return (await fetch(`http://${host}/v2/${name}/manifests/${tag}`, { headers: { accept } })).status;
  };

  test('builds what its registry does not have, and pushes it once', async () => {
    const made = recipe('one');
    const seen: StepProgress[] = [];
    expect(await publish(made, open, publisher, seen)).toMatchObject({ how: 'pushed' });
    expect(await statusOf(thereOf(made, open))).toBe(200);
    expect(seen.map(({ text }) => text)).toContain(`pushing ${thereOf(made, open)}`);
    const { RepoTags: names } = await bench.docker.getImage(made.ref).inspect();
    expect(names.filter((name) => name.startsWith(open.host))).toEqual([]);
    // Podman's API cannot ask a registry: it pushes again what is there.
    expect(await publish(made, open)).toMatchObject({ how: (await onPodman()) ? 'pushed' : 'there' });
  });

  test('pushes one that is here, although nobody knows what it is made of', async () => {
    const made = recipe('one');
    const image = { here: made.ref, there: `${open.host}/other/again:1`, mayPull: true };
    expect(await publisher.publish(image, () => {})).toMatchObject({ how: 'pushed' });
    const none = { here: 'looms/build:none', there: `${open.host}/other/none:1`, mayPull: true };
    await expect(publisher.publish(none, () => {})).rejects.toMatchObject({ code: 'image-not-found' });
  });

  test('goes to a registry with the user’s credentials', async () => {
    const made = recipe('two');
    await expect(publish(made, locked)).rejects.toMatchObject({
      code: 'registry-unauthorized',
      hint: `log in first: docker login ${locked.host}`,
    });
    const auth = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
    const user = await withConfig({ auths: { [locked.host]: { auth } } });
    expect(await publish(made, locked, user)).toMatchObject({ how: 'pushed' });
    await user.close();
  });

  test('says that a registry is not reached', async () => {
    const nowhere = { host: '127.0.0.1:9', stop: async () => {} };
    const error: unknown = await publish(recipe('three'), nowhere).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LoomsError);
    expect(error).toMatchObject({ code: 'image-push-failed', hint: expect.stringContaining('127.0.0.1:9') });
  });

  test('stops when it is told to', async () => {
    const made = recipe('four');
    const image = { here: made.ref, there: thereOf(made, open), recipe: made, mayPull: true };
    const stopped = publisher.publish(image, () => {}, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
  });
});
