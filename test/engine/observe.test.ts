import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { label, networkName, volumeName } from '../../src/docker/model/labels.ts';
import type { Observed } from '../../src/docker/model/observed.ts';
import { asContainerId, asProjectName } from '../../src/model/ids.ts';
import { type EngineBench, engineBench, hardenedShape, removeLabelled, testImage } from '../support/docker-engine.ts';
import { testLabel, withoutEngine } from '../support/images.ts';
import { paused } from '../support/paused.ts';
import { onPodman, skipOnPodman } from '../support/podman.ts';

describe.skipIf(withoutEngine())('observing a real engine', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('observe');
  });
  afterAll(() => bench?.close());

  const observe = (images: readonly string[] = []): Promise<Observed> =>
    bench.engine.observe({ project: bench.project, images, checkRegistry: [] });
  const seen = async (server: string) => (await observe()).containers.find((container) => container.server === server);

  test('a container comes back as the shape it was made from', async () => {
    await bench.engine.createNetwork(
      { name: networkName(bench.project, 'isolated'), internal: true, driver: 'bridge', options: {} },
      bench.labels,
    );
    const source = volumeName(bench.project, 'data');
    await bench.docker.createVolume({ Name: source, Labels: { ...bench.labels, [label.volume]: 'data' } });
    const shape = hardenedShape(bench.facts, {
      env: { MODE: 'a=b' },
      networks: [{ name: networkName(bench.project, 'isolated'), aliases: ['full'] }],
      mounts: [
        { type: 'volume', source, target: '/data', readOnly: false },
        { type: 'bind', source: '/etc', target: '/host-etc', readOnly: true },
      ],
      ports: [{ container: '3000/tcp', host: '127.0.0.1:19471' }],
      tmpfs: {
        '/tmp': { sizeBytes: 1_048_576, exec: false, mode: '1777' },
        '/work': { sizeBytes: 1_048_576, exec: true, mode: '700', owner: '1000:1000' },
      },
      dns: ['127.0.0.1'],
      dnsOptions: ['attempts:1', 'timeout:1'],
      capAdd: ['NET_BIND_SERVICE'],
      restart: 'unless-stopped',
      labels: { team: 'data' },
    });
    const id = await bench.run('full', shape, { ownTargets: ['/data'] });
    const { containers, networks, volumes, engine, now } = await observe();
    const container = containers.find((each) => each.id === id);
    expect(container?.shape).toEqual(shape);
    expect(container).toMatchObject({ role: 'server', server: 'full', generation: 1, restartCount: 0 });
    expect(container?.state).toMatchObject({ status: 'running', paused: false });
    expect(networks).toMatchObject([{ internal: true, ours: true, members: [id] }]);
    expect(volumes).toEqual([{ name: source, ours: true }]);
    const podman = await onPodman();
    expect(engine).toMatchObject({ kind: podman ? 'podman' : 'docker', canHideHost: !podman });
    expect(Math.abs(now - (container?.createdAt ?? 0))).toBeLessThan(60_000);
    expect(await bench.engine.projects()).toContain(bench.project);
  });

  test('an environment that names what the engine may set by itself comes back as it was', async () => {
    const env = { HOME: '/tmp', HOSTNAME: 'other', MODE: 'a' };
    await bench.run('homely', { env });
    expect((await seen('homely'))?.shape.env).toEqual(env);
    await bench.run('homeless', { env: {} });
    expect((await seen('homeless'))?.shape.env).toEqual({});
  });

  test('what someone changes by hand is seen: limits, restart policy, cpu set, a network, a pause', async () => {
    const id = await bench.run('touched');
    const container = bench.docker.getContainer(id);
    await container.update({
      Memory: 128 * 1024 * 1024,
      MemorySwap: 256 * 1024 * 1024,
      // Podman passes over NanoCPUs here, and reports a quota as such.
      ...((await onPodman()) ? { CpuPeriod: 100_000, CpuQuota: 25_000 } : { NanoCPUs: 250_000_000 }),
      PidsLimit: 77,
      CpusetCpus: '0',
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 },
    });
    const name = `${bench.project}-by-hand`;
    const network = await bench.docker.createNetwork({ Name: name, Labels: bench.labels });
    await network.connect({ Container: id, EndpointConfig: { Aliases: ['sneaky'] } as never }).catch(() => undefined);
    await paused(container);
    const live = await seen('touched');
    expect(live?.shape).toMatchObject({
      memoryBytes: 128 * 1024 * 1024,
      memorySwapBytes: 256 * 1024 * 1024,
      nanoCpus: 250_000_000,
      pidsLimit: 77,
      restart: 'on-failure:2',
      otherSettings: ['cpuset-cpus=0'],
    });
    expect(live?.state).toMatchObject({ status: 'running', paused: true });
    await container.unpause();

    const on = await bench.run('connected', { networks: [{ name, aliases: [] }] });
    const second = await bench.docker.createNetwork({ Name: `${name}-2`, Labels: bench.labels });
    await second.connect({ Container: on, EndpointConfig: { Aliases: ['sneaky'] } as never });
    expect((await seen('connected'))?.shape.networks).toEqual([
      { name, aliases: [] },
      { name: `${name}-2`, aliases: ['sneaky'] },
    ]);
  });

  test('a container with a second network gets it before its start', async () => {
    const names = ['one', 'two'].map((name) => `${bench.project}-${name}`);
    for (const Name of names) await bench.docker.createNetwork({ Name, Labels: bench.labels });
    const networks = names.map((name) => ({ name, aliases: ['me'] }));
    await bench.run('twofold', { networks });
    expect((await seen('twofold'))?.shape.networks).toEqual(networks);
  });

  test('every state is told apart', async () => {
    await bench.create('made');
    const exits = await bench.run('exits', { entrypoint: ['sh', '-c', 'exit 7'], command: [] });
    await bench.docker.getContainer(exits).wait();
    expect((await seen('made'))?.state).toEqual({ status: 'created' });
    expect((await seen('exits'))?.state).toMatchObject({ status: 'exited', exitCode: 7, oomKilled: false });
  });

  test('one that waits for its next restart is not taken for running', async (context) => {
    await skipOnPodman(context, 'it waits for nothing: it is exited, and started again at once');
    const loops = await bench.run('loops', { entrypoint: ['sh', '-c', 'exit 5'], command: [], restart: 'always' });
    await expect
      .poll(async () => (await seen('loops'))?.state, { timeout: 10_000 })
      .toEqual({ status: 'restarting', exitCode: 5 });
    await expect
      .poll(() => bench.engine.containerRunning(loops), { timeout: 10_000 })
      .toMatchObject({ running: false, exitCode: 5 });
    await bench.engine.removeContainer(loops);
  });

  test('one run of a container is told from the next, by a listing and by a look at one', async () => {
    const made = await bench.create('runs');
    expect(await seen('runs')).toMatchObject({ run: '', restartCount: 0, engineHealth: null });
    const runs = new Set<string>();
    for (const _ of [1, 2]) {
      await bench.engine.startContainer(made);
      const run = (await seen('runs'))?.run ?? '';
      expect(await bench.engine.containerRunning(made)).toMatchObject({ running: true, run });
      runs.add(run);
      await bench.engine.stopContainer(made, 1);
    }
    expect(runs.size).toBe(2);
    expect(runs.has('')).toBe(false);
  });

  test('an entrypoint of the image can be taken away', async () => {
    const made = await bench.docker.getContainer(await bench.create('parent')).commit({
      repo: `looms-test/${bench.project}`,
      changes: 'ENTRYPOINT ["/bin/false"]\nCMD ["image-argument"]\nENV FROM_IMAGE=1\nLABEL from=image',
    });
    const facts = await bench.engine.findImage((made as { Id: string }).Id);
    try {
      if (facts === null) throw new Error('the image is gone');
      await bench.create('orphaned', { imageId: facts.id, entrypoint: [], command: ['sleep', '5'], env: { OWN: '1' } });
      const live = (await seen('orphaned'))?.shape;
      expect(live).toMatchObject({ entrypoint: [], command: ['sleep', '5'], env: { OWN: '1' }, labels: {} });
    } finally {
      await removeLabelled(bench.docker, label.server, 'orphaned');
      await bench.docker.getImage(`looms-test/${bench.project}`).remove({ force: true });
    }
  });

  test('a container made by hand from a committed one of ours is not ours', async () => {
    const repo = `looms-test/${bench.project}-copy`;
    await bench.docker.getContainer(await bench.create('original')).commit({ repo });
    const copy = await bench.docker.createContainer({ Image: repo, Cmd: ['sleep', '1'] });
    try {
      const ids = (await observe()).containers.filter(({ server }) => server === 'original').map(({ id }) => id);
      expect(ids).toHaveLength(1);
      expect(ids).not.toContain(copy.id);
    } finally {
      await copy.remove({ force: true });
      await bench.docker.getImage(repo).remove({ force: true });
    }
  });

  test('someone else’s container under a name of ours is foreign, with its owner', async () => {
    const name = `looms-${bench.project}-stolen`;
    await bench.docker.createContainer({
      name,
      Image: testImage,
      Labels: { 'looms.test': testLabel('observe'), 'com.docker.compose.project': 'shop' },
    });
    try {
      expect((await observe()).foreign).toMatchObject([
        {
          name,
          owner: 'compose project shop',
          image: expect.stringMatching(new RegExp(`^(localhost/)?${testImage}$`)),
        },
      ]);
    } finally {
      await bench.docker.getContainer(name).remove({ force: true });
    }
  });

  test('images are looked up by reference, null when absent', async () => {
    const { images } = await observe([testImage, 'looms.invalid/none:1']);
    expect(images[testImage]?.id).toBe(bench.facts.id);
    expect(images['looms.invalid/none:1']).toBeNull();
  });

  test('the lock’s container is not part of what is observed', async () => {
    const before = (await observe()).containers.length;
    const attempt = await bench.engine.acquireLock(bench.project, {
      who: 'me',
      host: 'h',
      pid: 1,
      command: 'c',
      lifetimeMs: 60_000,
    });
    expect([attempt.result, (await observe()).containers.length]).toEqual(['acquired', before]);
    if (attempt.result === 'acquired') await bench.engine.releaseLock(attempt.lock.id);
  });

  test('containers that vanish while they are listed are left out, and nothing else', async () => {
    const ids = await Promise.all(Array.from({ length: 6 }, (_, index) => bench.create(`fleeting-${index}`)));
    const removal = Promise.all(ids.map((id) => bench.engine.removeContainer(id)));
    const rounds = await Promise.all(Array.from({ length: 6 }, () => observe()));
    await removal;
    for (const { containers } of rounds) expect(containers.map(({ server }) => server)).toContain('full');
  });

  test('locating costs one listing and tells name, state and shell', async () => {
    const located = await bench.engine.locate(bench.project);
    expect(located.find(({ server }) => server === 'full')).toMatchObject({
      running: true,
      hasShell: true,
      role: 'server',
    });
    expect(located.map(({ name }) => name)).toEqual(located.map(({ name }) => name).sort());
  });
});

describe.skipIf(withoutEngine())('fifty containers', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('observe-many');
  });
  afterAll(() => bench?.close());

  test('are observed in a blink', async () => {
    const before = performance.now();
    await Promise.all(Array.from({ length: 50 }, (_, index) => bench.create(`s${index}`)));
    const created = performance.now() - before;
    const times: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const start = performance.now();
      const { containers } = await bench.engine.observe({
        project: bench.project,
        images: [testImage],
        checkRegistry: [],
      });
      times.push(Math.round(performance.now() - start));
      expect(containers).toHaveLength(50);
    }
    console.log(`50 containers created in ${Math.round(created)} ms, observed in ${times.join(', ')} ms`);
    expect(Math.min(...times)).toBeLessThan(1_500);
  });
});

test.skipIf(withoutEngine())(
  'a project that nobody made is empty, and an engine that is gone is an error',
  async () => {
    const bench = await engineBench('observe-none');
    const project = asProjectName(`none-${randomBytes(4).toString('hex')}`);
    const empty = await bench.engine.observe({ project, images: [], checkRegistry: [] });
    expect([empty.containers, empty.networks, empty.volumes, empty.foreign]).toEqual([[], [], [], []]);
    expect(await bench.engine.containerRunning(asContainerId('0'.repeat(64)))).toBeNull();
    await bench.close();
  },
);
