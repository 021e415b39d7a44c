import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { label, volumeName } from '../../src/docker/model/labels.ts';
import { secretsFilePath } from '../../src/docker/model/resolve-shape.ts';
import { asProjectName } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';
import { paused } from '../support/paused.ts';
import { skipOnPodman } from '../support/podman.ts';

describe.skipIf(withoutEngine())('containers on a real engine', () => {
  let bench: EngineBench;
  beforeAll(async () => {
    bench = await engineBench('containers');
  });
  afterAll(() => bench?.close());

  test('live through create, start, stop, rename and remove, and each may be asked twice', async () => {
    const { engine } = bench;
    const id = await bench.create('life');
    expect(await engine.containerRunning(id)).toEqual({ running: false, run: '', exitCode: 0, engineHealth: null });
    await engine.startContainer(id);
    await engine.startContainer(id);
    expect(await engine.containerRunning(id)).toMatchObject({ running: true });
    await engine.stopContainer(id, 1);
    await engine.stopContainer(id, 1);
    expect(await engine.containerRunning(id)).toMatchObject({ running: false });
    await engine.renameContainer(id, `looms-${bench.project}-renamed`);
    await engine.removeContainer(id);
    await engine.removeContainer(id);
    expect(await engine.containerRunning(id)).toBeNull();
  });

  test('one that hangs on SIGTERM is killed after its grace', async () => {
    const trap = { entrypoint: ['sh', '-c', 'trap "" TERM; echo deaf; while :; do sleep 0.1; done'], command: [] };
    const id = await bench.run('stubborn', trap);
    await eventually(async () => expect(await bench.engine.tailLog(id, 1)).toMatchObject([{ text: 'deaf' }]));
    const before = performance.now();
    await bench.engine.stopContainer(id, 1);
    expect(performance.now() - before).toBeGreaterThan(900);
    expect(await bench.engine.containerRunning(id)).toMatchObject({ running: false, exitCode: 137 });
  });

  test('whoever watches hears of servers whose containers change, and of no exec', async () => {
    const { engine, project } = bench;
    const ending = new AbortController();
    const heard: string[] = [];
    let isReady = false;
    const hear = {
      onReady: () => {
        isReady = true;
      },
      onChange: (server: string) => void heard.push(server),
    };
    const watching = engine.watchServers(asProjectName(project), hear, { signal: ending.signal });
    await eventually(() => expect(isReady).toBe(true));
    const id = await bench.run('watched');
    await eventually(() => expect(heard).toEqual(['watched']));
    await bench.exec(id, ['true']);
    await engine.renameContainer(id, `looms-${project}-watched-again`);
    await eventually(() => expect(heard).toEqual(['watched', 'watched']));
    await engine.stopContainer(id, 0);
    await eventually(() => expect(heard.length).toBeGreaterThan(2));
    ending.abort();
    await expect(watching).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('a paused one goes on, and one that is not paused is no error', async () => {
    const id = await bench.run('paused');
    await paused(bench.docker.getContainer(id));
    await bench.engine.unpauseContainer(id);
    await bench.engine.unpauseContainer(id);
    expect((await bench.docker.getContainer(id).inspect()).State.Paused).toBe(false);
  });

  test('a name that is taken is engine-conflict, a container that is gone engine-not-found', async () => {
    const id = await bench.create('taken');
    await expect(bench.create('taken')).rejects.toMatchObject({ code: 'engine-conflict' });
    const other = await bench.create('other');
    await expect(bench.engine.renameContainer(other, `looms-${bench.project}-taken`)).rejects.toMatchObject({
      code: 'engine-conflict',
    });
    await bench.engine.removeContainer(id);
    await expect(bench.engine.startContainer(id)).rejects.toMatchObject({ code: 'engine-not-found' });
  });

  test('a program that the image lacks is container-start-failed with the engine’s words', async () => {
    const id = await bench.create('nothing', { entrypoint: ['/no/such/program'], command: [], init: false });
    await expect(bench.engine.startContainer(id)).rejects.toMatchObject({
      code: 'container-start-failed',
      message: expect.stringContaining('/no/such/program'),
    });
  });

  test('an image that is gone is image-not-found', async () => {
    const imageId = `sha256:${'0'.repeat(64)}` as typeof bench.facts.id;
    await expect(bench.create('imageless', { imageId })).rejects.toMatchObject({ code: 'image-not-found' });
  });

  test('a host path that is missing is refused and not made', async (context) => {
    await skipOnPodman(context, 'its Docker API makes the folder; looms validate has looked for it before');
    const missing = `/tmp/looms-missing-${process.pid}`;
    const mounts = [{ type: 'bind', source: missing, target: '/data', readOnly: true }] as const;
    await expect(bench.create('bound', { mounts })).rejects.toMatchObject({ code: 'engine-rejected' });
  });

  test('of many creates of one name at once exactly one succeeds', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => bench.create('contended')));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('an aborted call ends as interrupted', async () => {
    const options = { signal: AbortSignal.timeout(150) };
    const trap = { entrypoint: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done'], command: [] };
    const id = await bench.run('slow', trap);
    await expect(bench.engine.stopContainer(id, 3, options)).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('a fresh volume belongs to a user who is not root, by number and by name', async () => {
    const cases = [
      ['numbered', '1000:1000', '1000:1000'],
      ['named', 'www-data', '33:33'],
      ['uid-only', '33', '33:33'],
      ['unlisted', '4242', '4242:0'],
    ] as const;
    for (const [server, user, owner] of cases) {
      const source = volumeName(bench.project, server);
      const mounts = [{ type: 'volume', source, target: '/data', readOnly: false }] as const;
      const id = await bench.run(server, { user, mounts }, { ownTargets: ['/data'] });
      const wrote = await bench.exec(id, ['sh', '-c', 'touch /data/x && stat -c %u:%g /data']);
      expect([server, wrote.stdout.trim(), wrote.code]).toEqual([server, owner, 0]);
      const { Labels: labels } = await bench.docker.getVolume(source).inspect();
      expect(labels).toMatchObject({ [label.project]: bench.project, [label.volume]: server });
    }
  });

  test('a volume that holds something is neither given away nor removed, whatever a list called fresh', async () => {
    const source = volumeName(bench.project, 'full');
    const mounts = [{ type: 'volume', source, target: '/data', readOnly: false }] as const;
    const fresh = { ownTargets: ['/data'] };
    const first = await bench.run('full', { user: '1000', mounts }, fresh);
    expect((await bench.exec(first, ['sh', '-c', 'echo precious > /data/x'])).code).toBe(0);
    const second = await bench.run('full-other', { user: '33', mounts }, fresh);
    expect((await bench.exec(second, ['stat', '-c', '%u %n', '/data'])).stdout.trim()).toBe('1000 /data');
    for (const id of [first, second]) await bench.docker.getContainer(id).remove({ force: true });
    const making = bench.create('full-unknown', { user: 'nobody-knows', mounts }, fresh);
    await expect(making).rejects.toMatchObject({ code: 'engine-rejected' });
    const third = await bench.run('full-again', { user: '1000', mounts });
    expect((await bench.exec(third, ['cat', '/data/x'])).stdout).toBe('precious\n');
  });

  test('an empty volume that an interrupted run left is given to its user', async () => {
    const source = volumeName(bench.project, 'left');
    const mounts = [{ type: 'volume', source, target: '/data', readOnly: false }] as const;
    await bench.docker.createVolume({ Name: source, Labels: { [label.project]: bench.project } });
    const id = await bench.run('left', { user: '33', mounts }, { ownTargets: ['/data'] });
    expect((await bench.exec(id, ['stat', '-c', '%u', '/data'])).stdout.trim()).toBe('33');
  });

  test('a user that the image does not know is refused, and nothing is left', async () => {
    const source = volumeName(bench.project, 'unknown-user');
    const mounts = [{ type: 'volume', source, target: '/data', readOnly: false }] as const;
    const making = bench.create('unknown-user', { user: 'nobody-knows', mounts }, { ownTargets: ['/data'] });
    await expect(making).rejects.toMatchObject({
      code: 'engine-rejected',
      message: expect.stringContaining('nobody-knows'),
    });
    const left = await bench.docker.listContainers({
      all: true,
      filters: { name: [`looms-${bench.project}-unknown-user`] },
    });
    expect(left).toEqual([]);
    await expect(bench.docker.getVolume(source).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('secrets reach PID 1’s wrapper, survive a restart, and show nowhere', async () => {
    const value = `it's a "secret" $HOME\nof two lines ${'x'.repeat(20)}`;
    const wrapper = ['/bin/sh', '-c', `. ${secretsFilePath} && exec "$@"`, 'looms'];
    const id = await bench.run(
      'secretive',
      { entrypoint: wrapper, command: ['sh', '-c', 'printf %s "$TOKEN" | base64 -w0 > /tmp/got; sleep infinity'] },
      { secrets: { TOKEN: value } },
    );
    const got = async (): Promise<string> => {
      const { stdout } = await bench.exec(id, ['cat', '/tmp/got']);
      if (stdout === '') throw new Error('not written yet');
      return Buffer.from(stdout, 'base64').toString();
    };
    expect(await eventually(got)).toBe(value);
    await bench.docker.getContainer(id).restart({ t: 0 });
    expect(await eventually(got)).toBe(value);

    const mode = await bench.exec(id, ['stat', '-c', '%a %u:%g', secretsFilePath]);
    expect(mode.stdout.trim()).toBe('400 1000:1000');
    const container = await bench.docker.getContainer(id).inspect();
    const image = bench.docker.getImage(container.Image);
    const shown = JSON.stringify([
      container,
      await image.inspect(),
      await image.history(),
      await bench.engine.tailLog(id, 100),
    ]);
    expect(shown).not.toContain('two lines');

    const volume = container.Mounts.find(({ Destination: target }) => secretsFilePath.startsWith(target))?.Name ?? '';
    await bench.engine.removeContainer(id);
    await expect(bench.docker.getVolume(volume).inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('the log has both streams, oldest first, and a bound', async () => {
    const script = 'for i in 1 2 3; do echo out$i; sleep 0.01; echo err$i >&2; sleep 0.01; done; sleep infinity';
    const id = await bench.run('talkative', { entrypoint: ['sh', '-c', script], command: [] });
    const lines = await eventually(async () => {
      const all = await bench.engine.tailLog(id, 100);
      if (all.length < 6) throw new Error(`only ${all.length} lines`);
      return all;
    });
    // The engine reads the two apart, so their lines meet in the order in which it came to read them.
    const textsOf = (stream: string) => lines.filter((line) => line.stream === stream).map(({ text }) => text);
    expect(textsOf('stdout')).toEqual(['out1', 'out2', 'out3']);
    expect(textsOf('stderr')).toEqual(['err1', 'err2', 'err3']);
    expect(lines.map(({ time }) => time)).toEqual(lines.map(({ time }) => time).sort((one, other) => one - other));
    expect((await bench.engine.tailLog(id, 2)).map(({ text }) => text)).toEqual(
      lines.slice(-2).map(({ text }) => text),
    );
  });
});
