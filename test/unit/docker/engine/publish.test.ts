import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connectDocker } from '../../../../src/docker/engine/engine.ts';
import { imagePublisher } from '../../../../src/docker/publish.ts';
import type { StepProgress } from '../../../../src/model/events.ts';
import { unsignedRecords } from '../../../support/unsigned-records.ts';

const here = 'looms/node:0';
const there = 'r.example:5000/team/node:0';
const id = `sha256:${'f'.repeat(64)}`;

type Answer = { readonly status?: number; readonly body?: unknown };
type Faults = {
  /** What the registry says of the image, each time it is asked; the last answer stays. */
  readonly looks?: readonly Answer[];
  /** The lines of a push. */
  readonly push?: readonly unknown[];
  readonly isHere?: boolean;
};

const [digest, earlier] = [`sha256:${'d'.repeat(64)}`, `sha256:${'e'.repeat(64)}`] as const;
const found: Answer = { body: { Descriptor: { digest } } };
const absent: Answer = { status: 404, body: { message: 'manifest unknown: manifest unknown' } };

/** An engine whose registry and pushes go wrong as a test says. */
async function world({ looks = [absent], push = [], isHere = true }: Faults) {
  const folder = await mkdtemp(join(tmpdir(), 'looms-publish-'));
  const path = join(folder, 'engine.sock');
  const calls: string[] = [];
  const auth: (string | undefined)[] = [];
  let asked = 0;
  const answerTo = (method: string, path: string): Answer => {
    if (path === '/version') return { body: { ApiVersion: '1.41', Version: '20.10.24' } };
    if (path.startsWith('/distribution/')) {
      asked += 1;
      return looks[Math.min(asked, looks.length) - 1] ?? absent;
    }
    if (method === 'GET') {
      const isNamed = path === `/images/${here}/json` && isHere;
      return isNamed ? { body: { Id: id, Created: '', Config: {} } } : { status: 404, body: { message: 'none' } };
    }
    if (path.endsWith('/push')) return { body: undefined };
    return { status: path.endsWith('/tag') ? 201 : 200, body: [] };
  };
  const server = createServer(({ url = '', method = '', headers }, response) => {
    const path = url.replace(/^\/v1\.41/, '');
    if (method !== 'GET' || path.startsWith('/distribution')) calls.push(`${method} ${decodeURIComponent(path)}`);
    if (path.includes('/push')) auth.push(headers['x-registry-auth'] as string | undefined);
    const { status = 200, body } = answerTo(method, path.replace(/\?.*$/, ''));
    response.statusCode = status;
    response.end(
      path.includes('/push?') ? push.map((line) => `${JSON.stringify(line)}\n`).join('') : JSON.stringify(body),
    );
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const environment = { DOCKER_CONFIG: folder };
  const engine = await connectDocker(
    { kind: 'socket', path, origin: 'test' },
    { records: unsignedRecords(), environment },
  );
  const publisher = imagePublisher(engine, { managedBy: 'looms/1', environment });
  const progress: StepProgress[] = [];
  return {
    calls,
    auth,
    progress,
    publish: (before?: string) =>
      publisher.publish({ here, there, digest: before, mayPull: true }, (update) => progress.push(update)),
    async [Symbol.asyncDispose]() {
      await publisher.close();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const refusal = (message: string) => ({ errorDetail: { message }, error: message });
const named = `POST /images/${id}/tag?repo=r.example:5000/team/node&tag=0`;
const pushedIt = 'POST /images/r.example:5000/team/node/push?tag=0';
const unnamed = `DELETE /images/${there}?noprune=true`;
const look = `GET /distribution/${there}/json`;

describe('publishing an image', () => {
  test('does nothing where the registry has it', async () => {
    await using one = await world({ looks: [found] });
    expect(await one.publish()).toEqual({ how: 'there', digest });
    expect(one.calls).toEqual([look]);
  });

  test('looks for what pods had before it takes another build of the same name', async () => {
    await using same = await world({ looks: [{ body: { Descriptor: { digest: earlier } } }] });
    expect(await same.publish(earlier)).toEqual({ how: 'there', digest: earlier });
    await using other = await world({ looks: [absent, found] });
    expect(await other.publish(earlier)).toEqual({ how: 'there', digest });
    const lookForIt = `GET /distribution/${there}@${earlier}/json`;
    expect([same.calls, other.calls]).toEqual([[lookForIt], [lookForIt, look]]);
  });

  test('pushes it under a name that it has no longer than that, and counts bytes', async () => {
    const layer = (status: string, current?: number) => ({
      id: 'a',
      status,
      ...(current === undefined ? {} : { progressDetail: { current, total: 200 } }),
    });
    const told = { aux: { Tag: '0', Digest: digest, Size: 1 } };
    await using one = await world({ push: [layer('Preparing'), layer('Pushing', 100), layer('Pushed'), told] });
    expect(await one.publish()).toEqual({ how: 'pushed', digest });
    expect(one.calls).toEqual([look, named, pushedIt, unnamed]);
    expect(one.auth).toEqual(['e30=']);
    expect(one.progress).toEqual([
      { text: `asking the registry for ${there}` },
      { text: `pushing ${there}` },
      { text: `pushing ${there}`, current: 100, total: 200 },
      { text: `pushing ${there}`, current: 200, total: 200 },
    ]);
  });

  test('says that nobody is logged in, and takes the name away again', async () => {
    await using one = await world({ push: [refusal('unauthorized: authentication required')] });
    await expect(one.publish()).rejects.toMatchObject({
      code: 'registry-unauthorized',
      message: `r.example:5000 refused to take ${there}: unauthorized: authentication required`,
      hint: 'log in first: docker login r.example:5000',
    });
    expect(one.calls).toEqual([look, named, pushedIt, unnamed, look]);
  });

  test('builds nothing for a registry that the engine does not reach', async () => {
    const message = 'Get "https://r.example:5000/v2/": dial tcp: connection refused';
    await using one = await world({ looks: [{ status: 500, body: { message } }] });
    await expect(one.publish()).rejects.toMatchObject({
      code: 'image-push-failed',
      message: `cannot push ${there}: ${message}`,
      hint: expect.stringContaining('insecure-registries'),
    });
    expect(one.calls).toEqual([look]);
  });

  test('pushes to a registry that does not tell what it has', async () => {
    await using hidden = await world({ looks: [{ status: 403, body: { message: 'denied' } }] });
    expect(await hidden.publish()).toEqual({ how: 'pushed' });
    // An engine that cannot ask answers in no JSON.
    await using podman = await world({ looks: [{ status: 404 }] });
    expect(await podman.publish()).toEqual({ how: 'pushed' });
  });

  test('asks for the digest of what was pushed where the push did not tell it, and takes no other text for one', async () => {
    await using silent = await world({ looks: [absent, found] });
    expect(await silent.publish()).toEqual({ how: 'pushed', digest });
    await using odd = await world({ push: [{ aux: { Digest: 'sha256:no' } }] });
    expect(await odd.publish()).toEqual({ how: 'pushed' });
  });

  test('is done where another run has pushed the same meanwhile', async () => {
    await using one = await world({ looks: [absent, found], push: [refusal('no such image')] });
    expect(await one.publish()).toEqual({ how: 'there', digest });
  });

  test('cannot make one that is nowhere and that nobody can build', async () => {
    await using one = await world({ isHere: false });
    await expect(one.publish()).rejects.toMatchObject({
      code: 'image-not-found',
      message: `${there} is not at its registry, and what it was built from is not known here`,
    });
  });
});
