import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Connection, requestTarget } from '../../src/docker/engine/connection/connection.ts';
import type { Endpoint } from '../../src/docker/engine/connection/endpoint.ts';
import { findImage, type ImageClient, imageMemory, learnShell } from '../../src/docker/engine/images/find.ts';
import { pullImage } from '../../src/docker/engine/images/pull.ts';
import { registryDigest } from '../../src/docker/engine/images/registry.ts';
import type { StepProgress } from '../../src/model/events.ts';
import { asImageId } from '../../src/model/ids.ts';
import { imageBench, withoutEngine } from '../support/images.ts';
import { onPodman, skipOnPodman } from '../support/podman.ts';
import { startRegistry, type TestRegistry } from '../support/registry.ts';

const credentials = { user: 'reader', password: 'p:ss word' };

describe.skipIf(withoutEngine())('images', () => {
  const bench = imageBench('images.test.ts');
  const { docker } = bench;
  let connection: Connection;
  let folder = '';
  let open: TestRegistry;
  let locked: TestRegistry;
  /** Accepts connections and never answers. */
  let silent: Server;

  beforeAll(async () => {
    connection = await bench.connect();
    folder = await mkdtemp(join(tmpdir(), 'looms-images-'));
    [open, locked] = await Promise.all([startRegistry(), startRegistry({ credentials })]);
    silent = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
  });
  afterAll(async () => {
    silent?.close();
    await Promise.all([open?.stop(), locked?.stop(), rm(folder, { recursive: true, force: true })]);
    await bench.clean();
  });

  const accessOf = (environment: NodeJS.ProcessEnv): ImageClient => ({ ...connection, ...imageMemory(environment) });
  const access = (): ImageClient => accessOf(process.env);

  const archive = (name: string, bytes: number): Buffer => {
    const file = join(folder, name);
    execFileSync('sh', ['-c', 'head -c "$1" /dev/urandom > "$2"', 'sh', String(bytes), file]);
    return execFileSync('tar', ['-C', folder, '-c', name], { maxBuffer: 2 * bytes + 1_000_000 });
  };

  /** Puts a fresh image into a registry, and takes it off the engine. */
  async function push(registry: TestRegistry, path: string, bytes = 1000): Promise<string> {
    const ref = `${registry.host}/${path}`;
    await bench.importImage(ref, archive('blob', bytes));
    const authconfig = { username: credentials.user, password: credentials.password, serveraddress: registry.host };
    // Podman takes it from its configuration for pulls only.
    const query = (await onPodman()) ? { tlsVerify: false } : {};
    const answer = await docker.getImage(ref).push({ authconfig, ...query });
    for await (const chunk of answer) {
      if (String(chunk).includes('"error"')) throw new Error(String(chunk));
    }
    await docker.getImage(ref).remove({ force: true });
    return ref;
  }

  /** An engine access with this Docker configuration, and helpers on the PATH. */
  async function withConfig(config: object): Promise<ImageClient> {
    const place = await mkdtemp(join(folder, 'config-'));
    await writeFile(join(place, 'config.json'), JSON.stringify(config));
    return accessOf({
      ...process.env,
      DOCKER_CONFIG: place,
      PATH: `${place}${delimiter}${process.env.PATH}`,
    });
  }

  async function helper(access: string, script: string): Promise<ImageClient> {
    const place = await mkdtemp(join(folder, 'helper-'));
    const program = join(place, `docker-credential-${access}`);
    await writeFile(program, `#!/bin/sh\n${script}\n`);
    await chmod(program, 0o755);
    await writeFile(join(place, 'config.json'), JSON.stringify({ credsStore: access }));
    return accessOf({
      ...process.env,
      DOCKER_CONFIG: place,
      PATH: `${place}${delimiter}${process.env.PATH}`,
    });
  }

  const basic = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  const pull = (access: ImageClient, ref: string) => pullImage(access, ref, {}, () => undefined);

  describe('what is there', () => {
    test('an image’s facts are told, and one that is not there is null', async () => {
      const image = await findImage(access(), 'node:24-slim');
      expect(image).toMatchObject({
        ref: 'node:24-slim',
        entrypoint: ['docker-entrypoint.sh'],
        command: ['node'],
        hasShell: true,
      });
      expect(image?.env.PATH).toContain('/usr/local/bin');
      expect(await findImage(access(), 'looms-test/not-there:1')).toBeNull();
    });

    test('an image without a shell is found out, once, and the look leaves nothing', async () => {
      await bench.importImage('looms-test/empty:1', archive('x', 10));
      const access = accessOf({});
      const image = await findImage(access, 'looms-test/empty:1');
      expect(image?.hasShell).toBe(false);
      const probes = await docker.listContainers({
        all: true,
        filters: { label: ['looms.probe'], ancestor: ['looms-test/empty:1'] },
      });
      expect(probes).toEqual([]);
      expect(await access.shells.get(asImageId(image?.id ?? ''))).toBe(false);
    });

    test('a verdict that a container’s label has is taken, and nothing is looked into', async () => {
      await bench.importImage('looms-test/known:1', archive('y', 10));
      const { Id: id } = await docker.getImage('looms-test/known:1').inspect();
      const access = accessOf({});
      expect(learnShell(access, asImageId(id), 'true')).toBe(true);
      expect((await findImage(access, 'looms-test/known:1'))?.hasShell).toBe(true);
    });

    test('it is found by its id too, also without a name, and nothing is made for that', async () => {
      const repo = 'looms-test/nameless';
      const base = await docker.createContainer({ Image: 'node:24-slim', Cmd: ['what', 'it', 'runs'] });
      await base.commit({ repo });
      await base.remove({ force: true });
      const access = accessOf({});
      const named = await findImage(access, repo, false);
      if (named === null) throw new Error('the image was not made');
      // Its name goes to another image.
      await docker.getImage('node:24-slim').tag({ repo });
      const found = await findImage(access, named.id, false);
      expect(found).toMatchObject({ id: named.id, command: ['what', 'it', 'runs'], hasShell: null });
      expect(access.shells.size).toBe(0);
      await docker.getImage(repo).remove();
      await docker.getImage(named.id).remove({ force: true });
    });

    test('the beginning of an id is no name, and a name of the same letters is one', async () => {
      const named = `${Date.now().toString(16).replace(/^0+/, '')}abcdef`;
      await bench.importImage(`${named}:latest`, archive('blob', 1000));
      const found = await findImage(access(), named, false);
      const id = String(found?.id);
      expect(found).toMatchObject({ ref: named });
      expect(await findImage(access(), id, false)).toMatchObject({ id });
      // To Podman the beginning of an id with its algorithm is neither: it answers 500.
      const beginnings = [id.slice(7, 19), ...((await onPodman()) ? [] : [id.slice(0, 19)])];
      for (const begins of beginnings) {
        expect((await docker.getImage(begins).inspect()).Id).toBe(id);
        expect(await findImage(access(), begins, false)).toBeNull();
      }
    });

    test('several processes that look into one image at once all find its shell', async () => {
      for (const round of [1, 2, 3]) {
        const looks = Array.from({ length: 8 }, () => findImage(accessOf({}), 'node:24-slim'));
        const found = (await Promise.all(looks)).map((image) => image?.hasShell);
        expect({ round, found }).toEqual({ round, found: Array(8).fill(true) });
      }
    });

    test('a probe that a process left behind is used and removed, also when several look at once', async () => {
      await bench.importImage('looms-test/left:1', archive('z', 10));
      const { Id: id } = await docker.getImage('looms-test/left:1').inspect();
      const name = `looms-probe-${id.slice('sha256:'.length, 'sha256:'.length + 24)}`;
      const ours = { ...bench.labels, 'looms.probe': 'true', 'looms.image-id': id };
      await docker.createContainer({ name, Image: id, Entrypoint: ['/bin/sh'], Labels: ours });
      const looks = [1, 2, 3].map(() => findImage(accessOf({}), 'looms-test/left:1'));
      expect((await Promise.all(looks)).map((image) => image?.hasShell)).toEqual([false, false, false]);
      await expect(docker.getContainer(name).inspect()).rejects.toMatchObject({ statusCode: 404 });
    });

    test.each([
      { name: 'says nothing', labels: () => ({}) },
      { name: 'says it is a probe', labels: () => ({ 'looms.probe': 'true' }) },
      { name: 'says all that a probe says', labels: (id: string) => ({ 'looms.probe': 'true', 'looms.image-id': id }) },
    ])('somebody else’s container that runs under the name of a probe is left alone, one that $name', async (says) => {
      // An image of its own, which no other process looks into meanwhile.
      const repo = `looms-test/held-${process.pid}`;
      const base = await docker.createContainer({ Image: 'node:24-slim', Cmd: [says.name] });
      await base.commit({ repo });
      await base.remove({ force: true });
      const { Id: id } = await docker.getImage(repo).inspect();
      const name = `looms-probe-${id.replace('sha256:', '').slice(0, 24)}`;
      const labels = { ...bench.labels, ...says.labels(id) };
      const other = await docker.createContainer({
        name,
        Image: id,
        Entrypoint: ['sleep'],
        Cmd: ['60'],
        Labels: labels,
      });
      await other.start();
      try {
        const looks = [1, 2, 3].map(() => findImage(accessOf({}), repo));
        expect((await Promise.all(looks)).map((image) => image?.hasShell)).toEqual([true, true, true]);
        expect((await other.inspect()).State.Running).toBe(true);
        const all = await docker.listContainers({ all: true, filters: { name: [name] } });
        expect(all.map(({ Id: one }) => one)).toEqual([other.id]);
      } finally {
        await other.remove({ force: true });
        await docker.getImage(repo).remove({ force: true });
      }
    });
  });

  describe('pulling', () => {
    test('shows one progress in bytes that ends at the whole', async (context) => {
      const ref = await push(open, 'big:1', 24_000_000);
      const seen: StepProgress[] = [];
      const image = await pullImage(access(), ref, {}, (progress) => seen.push(progress));
      expect(image.digests).toHaveLength(1);
      expect(seen[0]?.text).toBe(`pulling ${ref}`);
      await skipOnPodman(context, 'it reports no bytes of a layer');
      const bytes = seen.filter(({ total }) => total !== undefined);
      expect(bytes.length).toBeGreaterThan(0);
      expect(seen.length).toBeLessThan(220);
      expect(bytes.at(-1)?.current).toBe(bytes.at(-1)?.total);
      expect(bytes.at(-1)?.total).toBeGreaterThan(20_000_000);
    });

    test('uses the password of Docker’s configuration', async () => {
      const ref = await push(locked, 'private:1');
      const image = await pull(await withConfig({ auths: { [locked.host]: { auth: basic } } }), ref);
      expect(image.ref).toBe(ref);
    });

    test('uses the credentials helper that the configuration names', async () => {
      const ref = await push(locked, 'helped:1');
      const answer = JSON.stringify({ ServerURL: 'x', Username: credentials.user, Secret: credentials.password });
      const access = await helper('looms-test', `[ "$1" = get ] && [ "$(cat)" = ${locked.host} ] && echo '${answer}'`);
      expect((await pull(access, ref)).ref).toBe(ref);
    });

    test('says which login is missing, and what a broken helper said', async () => {
      const ref = await push(locked, 'refused:1');
      const none = await withConfig({});
      await expect(pull(none, ref)).rejects.toMatchObject({
        code: 'registry-unauthorized',
        hint: `log in first: docker login ${locked.host}`,
      });
      const wrong = await withConfig({ auths: { [locked.host]: { username: 'reader', password: 'wrong' } } });
      await expect(pull(wrong, ref)).rejects.toMatchObject({ code: 'registry-unauthorized' });
      const broken = await withConfig({ credsStore: 'looms-not-installed' });
      await expect(pull(broken, ref)).rejects.toMatchObject({
        code: 'registry-unauthorized',
        hint: expect.stringContaining('docker-credential-looms-not-installed cannot be run'),
      });
    });

    test('tells a missing image from a registry that does not answer', async () => {
      await expect(pull(access(), `${open.host}/gone:1`)).rejects.toMatchObject({ code: 'image-not-found' });
      await expect(pull(access(), '127.0.0.1:9/any:1')).rejects.toMatchObject({ code: 'image-pull-failed' });
    });

    test('stops at once when it is aborted', async () => {
      const { port } = silent.address() as { port: number };
      const signal = AbortSignal.timeout(300);
      const aborted = pullImage({ ...access(), signal }, `127.0.0.1:${port}/any:1`, {}, () => undefined);
      await expect(aborted).rejects.toMatchObject({ code: 'interrupted' });
    });

    test('an engine that is not there is an error of the engine', async () => {
      const socket: Endpoint = { kind: 'socket', path: join(folder, 'none.sock'), origin: 'test' };
      const nowhere = { ...accessOf({}), target: await requestTarget(socket) };
      await expect(pull(nowhere, 'any:1')).rejects.toMatchObject({ code: 'engine-unreachable' });
    });
  });

  describe('asking the registry', () => {
    const noCall = 'its Docker API has no call for a registry’s digest';
    const ask = (ref: string, timeoutMs = 15_000) => registryDigest(access(), ref, timeoutMs);

    test('says whether a tag means another image now', async (context) => {
      await skipOnPodman(context, noCall);
      const ref = await push(open, 'moving:1');
      await pull(access(), ref);
      expect(await ask(ref)).toEqual({ answer: 'same' });
      const old = await docker.getImage(ref).inspect();
      await push(open, 'moving:1', 2000);
      await docker
        .getImage(old.RepoDigests[0] ?? ref)
        .inspect()
        .catch(() => undefined);
      expect(await ask(ref)).toEqual({ answer: 'newer' });
    });

    test('says why it could not be asked', async () => {
      if (await onPodman()) {
        const why = 'this engine cannot ask registries (Podman)';
        return expect(await ask(`${open.host}/gone:1`)).toEqual({ answer: 'unknown', why });
      }
      expect(await ask(`${open.host}/gone:1`)).toMatchObject({
        answer: 'unknown',
        why: expect.stringContaining('gone:1'),
      });
      expect(await ask('127.0.0.1:9/any:1')).toMatchObject({ answer: 'unknown' });
    });

    test('waits no longer than it may', async (context) => {
      await skipOnPodman(context, noCall);
      const { port } = silent.address() as { port: number };
      expect(await ask(`127.0.0.1:${port}/any:1`, 400)).toEqual({
        answer: 'unknown',
        why: `127.0.0.1:${port} did not answer within 400ms`,
      });
    });
  });
});
