import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Endpoint, parseHost } from '../../src/docker/engine/connection/endpoint.ts';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { withoutEngine } from '../support/images.ts';
import { unsignedRecords } from '../support/unsigned-records.ts';

const parts = { records: unsignedRecords(), environment: process.env };

describe('connecting to what is no working engine', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'looms-connect-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const serve = async (server: Server): Promise<Endpoint> => {
    const path = join(folder, `${Math.random()}.sock`);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return { kind: 'socket', path, origin: 'test' };
  };

  test('one that never answers is unreachable after a bounded time', async () => {
    const server = createServer();
    await expect(connectDocker(await serve(server), parts)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringMatching(/within 30s$/),
      hint: expect.stringContaining('restart'),
    });
    server.close();
  });

  test('something else that speaks HTTP is told apart', async () => {
    const server = createHttpServer((_, response) => response.end('hello'));
    await expect(connectDocker(await serve(server), parts)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining('no Docker Engine'),
    });
    server.close();
  });

  test('a socket that is not there says so, with a hint', async () => {
    const endpoint = parseHost(`unix://${join(folder, 'none.sock')}`, '--host');
    await expect(connectDocker(endpoint, parts)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining('does not exist'),
      hint: expect.stringContaining('start'),
    });
  });

  test('an engine that is too old says which it is', async () => {
    const server = createHttpServer((_, response) => response.end('{"Version":"18.09","ApiVersion":"1.39"}'));
    await expect(connectDocker(await serve(server), parts)).rejects.toMatchObject({ code: 'engine-too-old' });
    server.close();
  });

  test('an unset or broken DOCKER_HOST does not disturb a connection to somewhere else', async () => {
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = 'tcp://%%%';
    const server = createHttpServer((_, response) => response.end('{"Version":"28","ApiVersion":"1.48"}'));
    try {
      const engine = await connectDocker(await serve(server), parts);
      await engine.close();
      expect(process.env.DOCKER_HOST).toBe('tcp://%%%');
    } finally {
      if (before === undefined) delete process.env.DOCKER_HOST;
      else process.env.DOCKER_HOST = before;
      server.close();
    }
  });
});

describe.skipIf(withoutEngine())('an engine behind ssh', () => {
  let bench: EngineBench;
  let folder = '';
  const path = process.env.PATH;

  /** Stands in for ssh: writes down how it was called, and joins its stdin and stdout to the engine's socket. */
  const fakeSsh = (socket: string): string => `#!${process.execPath}
const { appendFileSync } = require('node:fs');
const { connect } = require('node:net');
appendFileSync(${JSON.stringify(join(folder, 'calls'))}, process.argv.slice(2).join(' ') + '\\n');
if (process.argv.includes('locked-out')) {
  console.error('me@locked-out: Permission denied (publickey).');
  process.exit(255);
}
const socket = connect({ path: ${JSON.stringify(socket)}, allowHalfOpen: true });
process.stdin.pipe(socket);
socket.pipe(process.stdout);
`;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'looms-ssh-'));
    bench = await engineBench('discovery');
    const socket = bench.endpoint.kind === 'socket' ? bench.endpoint.path : '';
    await writeFile(join(folder, 'ssh'), fakeSsh(socket));
    await chmod(join(folder, 'ssh'), 0o755);
    process.env.PATH = `${folder}:${path}`;
  });
  afterAll(async () => {
    process.env.PATH = path;
    await bench?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('lists, runs commands with a half-closed stdin, and uses the user’s own ssh', async () => {
    const id = await bench.run('remote');
    const engine = await connectDocker(parseHost('ssh://me@box', 'DOCKER_HOST'), parts);
    try {
      const { containers, engine: description } = await engine.observe({
        project: bench.project,
        images: [],
        checkRegistry: [],
      });
      expect(containers.map((container) => container.id)).toEqual([id]);
      expect(description.endpoint).toBe('ssh://me@box (DOCKER_HOST)');
      const session = await engine.exec(id, { argv: ['sh', '-c', 'wc -c; echo done'] });
      session.stderr.resume();
      session.stdin.end('12345');
      let out = '';
      for await (const chunk of session.stdout) out += chunk;
      expect([out, await session.ended]).toEqual(['5\ndone\n', { exitCode: 0 }]);
      const calls = (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');
      expect(calls[0]).toBe('-l me -o ConnectTimeout=30 -T -- box docker system dial-stdio');
    } finally {
      await engine.close();
    }
  });

  test('that refuses us is unreachable, in ssh’s own words', async () => {
    await expect(connectDocker(parseHost('ssh://locked-out', 'DOCKER_HOST'), parts)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining('Permission denied (publickey)'),
    });
  });
});
