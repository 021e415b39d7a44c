import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CallCounter, countCalls } from '../../support/call-counter.ts';
import { testLabel, withoutEngine } from '../../support/images.ts';
import { paused } from '../../support/paused.ts';
import { skipOnPodman } from '../../support/podman.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

/** One server for each way of changing something behind the program's back. */
const servers = [
  'capped',
  'cloned',
  'cpus',
  'joined',
  'killed',
  'left',
  'lost',
  'memory',
  'paused',
  'renamed',
  'restart',
  'stopped',
  'tagged',
  'untouched',
];

describe.skipIf(withoutEngine())('a project that someone changes by hand', () => {
  const project = testProject('drift');
  const { docker, container } = project;
  const tag = `${project.name}:1`;
  const yaml = specs(...servers.map((name) => tinySpec({ name, ...(name === 'tagged' ? { image: tag } : {}) })));
  const foreign = `looms-${project.name}-cloned`;
  const network = `${project.name}-other`;
  let counter: CallCounter;
  let foreignId = '';
  let applied: Awaited<ReturnType<typeof project.apply>>;

  beforeAll(async () => {
    counter = await countCalls();
    await docker.getImage('node:24-slim').tag({ repo: project.name, tag: '1' });
    applied = await project.apply(yaml, [], { env: { DOCKER_HOST: counter.host } });
  });

  afterAll(async () => {
    await counter?.close();
    await project.remove();
    for (const { Id } of await docker.listContainers({
      all: true,
      filters: { label: [`looms.test=${testLabel(project.name)}`] },
    })) {
      await docker.getContainer(Id).remove({ force: true });
    }
    for (const { Id } of await docker.listNetworks({ filters: { label: [`looms.test=${testLabel(project.name)}`] } })) {
      await docker.getNetwork(Id).remove();
    }
    await docker.getImage(tag).remove({ force: true });
  });

  test('is applied whole the first time, each server under its own name', async () => {
    expect(applied).toExit(0);
    expect(counter.writes().length).toBeGreaterThan(servers.length * 2);
    expect(await project.names()).toEqual(servers);
    expect(await project.networks()).toEqual([`looms-${project.name}`]);
  });

  test('is left alone by a second apply: no writing call reaches the engine, and exit is 0', async () => {
    const before = await Promise.all(servers.map(project.idOf));
    counter.reset();
    const again = await project.apply(yaml, [], { env: { DOCKER_HOST: counter.host } });
    expect(again).toExit(0);
    expect(counter.calls().length).toBeGreaterThan(0);
    expect(counter.writes()).toEqual([]);
    expect(await Promise.all(servers.map(project.idOf))).toEqual(before);
    expect(await project.diff(yaml)).toMatchObject({ code: 0, plan: { steps: [], drift: [] } });
  });

  test('is changed in twelve ways, and diff names exactly those', async () => {
    await container('memory').update({ Memory: 268435456, MemorySwap: 268435456 });
    await container('cpus').update({ NanoCpus: 500_000_000 });
    await container('capped').update({ PidsLimit: 7 });
    await container('restart').update({ RestartPolicy: { Name: 'always' } });
    await docker.createNetwork({ Name: network, Labels: { 'looms.test': testLabel(project.name) } });
    await docker.getNetwork(network).connect({ Container: await project.idOf('joined') });
    await docker.getNetwork(`looms-${project.name}`).disconnect({ Container: await project.idOf('left') });
    await container('stopped').stop({ t: 0 });
    await paused(container('paused'));
    await container('renamed').rename({ name: `looms-${project.name}-renamed-by-hand` });
    await container('killed').kill();
    await container('lost').remove({ force: true });
    await container('cloned').remove({ force: true });
    const clone = {
      name: foreign,
      Image: 'node:24-slim',
      Cmd: ['sleep', 'infinity'],
      Labels: { 'looms.test': testLabel(project.name) },
    };
    const made = await docker.createContainer(clone);
    await made.start();
    foreignId = made.id;
    await docker.getImage('debian:bookworm-slim').tag({ repo: project.name, tag: '1' });

    const { code, plan } = await project.diff(yaml);
    expect(code).toBe(2);
    expect(changesAsText(plan)).toEqual([
      'capped: replace start-first live-drift(docker_backend.resource_limits.pids_limit)',
      'cloned: blocked',
      'cpus: replace start-first live-drift(docker_backend.resource_limits.cpu_cores)',
      `joined: replace start-first live-drift(docker_backend.network.${network})`,
      'killed: start exited',
      `left: replace start-first live-drift(docker_backend.network.looms-${project.name})`,
      'lost: create missing',
      'memory: replace start-first live-drift(docker_backend.resource_limits.memory_mb)',
      'paused: start paused',
      'renamed: rename misnamed',
      'restart: replace start-first live-drift(docker_backend.lifecycle.restart)',
      'stopped: start exited',
      'tagged: replace start-first image-changed(image)',
    ]);
    expect(plan.changes.find(({ server }) => server === 'cloned')).toMatchObject({
      why: { kind: 'name-taken', id: foreignId },
    });
    expect(plan.drift.map(({ server }) => server)).toEqual(['capped', 'cpus', 'joined', 'left', 'memory', 'restart']);
    const { stdout } = await project.run(['diff', '-f', '-'], { stdin: yaml });
    expect(stdout).toMatch(/^project .+\n\nchanged outside looms\n/);
    expect(stdout).toContain('1 blocked');
  });

  test('is repaired by apply, all but what is not ours (3)', async () => {
    // The other image that now bears the tag has no node: the tag is given back, to a copy with another id.
    await retag(docker, project.name);
    const memoryBefore = await project.idOf('memory');
    const stoppedBefore = await project.idOf('stopped');
    const repaired = await project.apply(yaml);
    expect(repaired).toExit(3);
    expect(repaired.stdout).toMatch(/^! cloned +blocked/m);
    expect(await project.diff(yaml)).toExit(2);
    expect(changesAsText((await project.diff(yaml)).plan)).toEqual(['cloned: blocked']);
    expect((await docker.getContainer(foreign).inspect()).Id).toBe(foreignId);
    expect((await docker.getContainer(foreignId).inspect()).State.Running).toBe(true);
    expect(await project.names()).toEqual(servers.filter((name) => name !== 'cloned'));
    expect(await project.idOf('memory')).not.toBe(memoryBefore);
    expect(await project.idOf('stopped')).toBe(stoppedBefore);
    const answer = await project.run(['mcp', 'call', 'tagged', 'echo', 'text=again']);
    expect(answer).toMatchObject({ code: 0, stdout: 'again\n' });
  });

  test('is blocked as a whole (8) where the foreign container is all that is left to do', async () => {
    expect(await project.apply(yaml)).toExit(8);
    expect((await docker.getContainer(foreign).inspect()).Id).toBe(foreignId);
    await docker.getContainer(foreignId).remove({ force: true });
    expect(await project.apply(yaml)).toExit(0);
    expect(await project.diff(yaml)).toExit(0);
  });
});

/** Another image under the tag that can do the same: the old one with a label more. */
async function retag(docker: Docker, repo: string): Promise<void> {
  const source = await docker.createContainer({ Image: 'node:24-slim', Labels: { 'looms.test': testLabel(repo) } });
  await source.commit({ repo, tag: '1', changes: `LABEL looms.test=${testLabel('again')}` });
  await source.remove();
}

describe.skipIf(withoutEngine())('a network that is removed while its servers are stopped', () => {
  const project = testProject('gone-network');
  afterAll(() => project.remove());

  test('takes its containers with it: they are made anew on another one', async (context) => {
    await skipOnPodman(context, 'it refuses to remove a network that a container has');
    const spec = tinySpec({ name: 'a' });
    expect(await project.apply(spec)).toExit(0);
    await project.container('a').stop({ t: 1 });
    await project.docker.getNetwork(`looms-${project.name}`).remove();
    expect(await project.apply(spec)).toExit(0);
    expect(await project.diff(spec)).toExit(0);
    expect(await project.run(['mcp', 'call', 'a', 'echo', 'text=here'])).toMatchObject({ code: 0, stdout: 'here\n' });
  });
});
