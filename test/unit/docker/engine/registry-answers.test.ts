import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { connectDocker } from '../../../../src/docker/engine/engine.ts';
import { asProjectName } from '../../../../src/model/ids.ts';
import { unsignedRecords } from '../../../support/unsigned-records.ts';

const project = asProjectName('shop');
const ref = 'registry.example/tools:1';
const digestOf = (letter: string): string => `sha256:${letter.repeat(64)}`;

afterEach(() => {
  vi.restoreAllMocks();
});

/** An engine that has one image, and that hands on what its registry says now; `undefined`: it says nothing of it. */
async function world() {
  const folder = await mkdtemp(join(tmpdir(), 'looms-registry-'));
  const path = join(folder, 'engine.sock');
  const state = { local: digestOf('a'), remote: digestOf('a') as string | undefined, asked: 0 };
  const answerTo = (path: string): unknown => {
    if (path === '/version') return { ApiVersion: '1.41', Version: '20.10.24' };
    if (path === '/info') return { SystemTime: '2026-01-01T00:00:00Z', ID: 'e' };
    if (path === '/containers/json' || path === '/networks') return [];
    if (path === '/volumes') return { Volumes: [] };
    if (path.startsWith('/distribution/')) {
      state.asked += 1;
      return state.remote === undefined ? undefined : { Descriptor: { digest: state.remote } };
    }
    if (path === '/images/create') {
      state.local = state.remote ?? state.local;
      return { status: 'done' };
    }
    const repository = ref.slice(0, ref.lastIndexOf(':'));
    return { Id: digestOf('f'), RepoDigests: [`${repository}@${state.local}`], Created: '', Config: {} };
  };
  const server = createServer(({ url = '' }, response) => {
    const answer = answerTo(url.replace(/^\/v1\.41/, '').replace(/\?.*$/, ''));
    if (answer === undefined) response.statusCode = 500;
    response.end(JSON.stringify(answer ?? { message: 'no answer of the registry' }));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const options = { records: unsignedRecords(), environment: {} };
  const engine = await connectDocker({ kind: 'socket', path, origin: 'test' }, options);
  const start = performance.now();
  let passed = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => start + passed);
  return {
    state,
    pass: (seconds: number) => {
      passed += seconds * 1000;
    },
    ask: async () => (await engine.observe({ project, images: [ref], checkRegistry: [ref] })).registry[ref]?.answer,
    pull: () => engine.pullImage(ref, {}, () => {}),
    async [Symbol.asyncDispose]() {
      await engine.close();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test('a registry is asked for a reference again after five minutes', async () => {
  await using one = await world();
  expect(await one.ask()).toBe('same');
  one.state.remote = digestOf('b');
  one.pass(299);
  expect(await one.ask()).toBe('same');
  expect(one.state.asked).toBe(1);
  one.pass(2);
  expect(await one.ask()).toBe('newer');
  expect(one.state.asked).toBe(2);
});

test('one that gave no answer is asked again after a minute', async () => {
  await using one = await world();
  one.state.remote = undefined;
  expect(await one.ask()).toBe('unknown');
  one.state.remote = digestOf('a');
  one.pass(59);
  expect(await one.ask()).toBe('unknown');
  expect(one.state.asked).toBe(1);
  one.pass(2);
  expect(await one.ask()).toBe('same');
});

test('what was pulled is not taken for old by an answer from before', async () => {
  await using one = await world();
  one.state.remote = digestOf('b');
  expect(await one.ask()).toBe('newer');
  // The registry got another one in between.
  one.state.remote = digestOf('c');
  await one.pull();
  expect(await one.ask()).toBe('same');
  expect(one.state.asked).toBe(2);
});
