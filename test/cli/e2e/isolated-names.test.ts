import { type ChildProcess, spawn } from 'node:child_process';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makePrivateEngine, noPrivateEngine, type PrivateEngine } from '../../../scripts/lib/private-engine.mjs';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { looms } from '../../support/looms.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const missing = withoutEngine() ? 'no engine' : noPrivateEngine();
if (missing !== undefined) console.log(`skipped: ${missing}`);

/** A name server on the loopback of the engine's machine: says which names it was asked for, and answers every one. */
const resolver = `
const server = require('node:dgram').createSocket('udp4');
server.on('message', (query, { port, address }) => {
  const labels = [];
  let at = 12;
  for (; query[at] > 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  console.log(labels.join('.'));
  const isA = query.readUInt16BE(at + 1) === 1;
  const head = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]);
  const answer = isA ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]) : Buffer.alloc(0);
  server.send(Buffer.concat([head, query.subarray(12, at + 5), answer]), port, address);
});
server.bind(53, '127.0.0.1', () => console.log('listening'));
`;

describe.skipIf(missing !== undefined)('names on an engine whose host has its name server on its loopback', () => {
  let engine: PrivateEngine;
  let docker: Docker;
  let names: ChildProcess;
  let asked = '';
  const run = (args: readonly string[], stdin = '') =>
    looms([...args, '--project', 'names'], { env: { DOCKER_HOST: engine.host }, stdin });

  beforeAll(async () => {
    engine = await makePrivateEngine({
      images: ['node:24-slim', 'debian:bookworm-slim'],
      from: process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock',
      nameserver: '127.0.0.1',
    });
    docker = new Docker({ socketPath: engine.host.replace('unix://', '') });
    const [program = '', ...args] = [...engine.enter(), process.execPath, '-e', resolver];
    names = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    names.stdout?.on('data', (chunk: Buffer) => {
      asked += chunk.toString();
    });
    await eventually(() => expect(asked).toContain('listening'), 10_000);
    const applied = await run(
      ['apply', '-f', '-', '--yes'],
      specs(tinySpec({ name: 'a' }), httpSpec('web', { volume: 'pages' })),
    );
    expect(applied, applied.stderr).toExit(0);
  });
  afterAll(async () => {
    names?.kill();
    await engine?.close();
  });

  /** What a container learns of a name, as text; '' when nothing. */
  async function lookUp(container: string, name: string): Promise<string> {
    const exec = await docker
      .getContainer(container)
      .exec({ Cmd: ['getent', 'hosts', name], AttachStdout: true, Tty: true });
    const stream = await exec.start({ Tty: true });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
    return Buffer.concat(chunks).toString();
  }

  test('a container on an internal network of its own asks it, where the engine has CVE-2024-29018', async () => {
    await docker.createNetwork({ Name: 'plain', Internal: true });
    const HostConfig = { NetworkMode: 'plain' };
    const plain = await docker.createContainer({
      name: 'plain',
      Image: 'node:24-slim',
      Cmd: ['sleep', '600'],
      HostConfig,
    });
    await plain.start();
    const learnt = await lookUp('plain', 'plain.example.com');
    console.log(learnt === '' ? 'this engine does not have it' : 'this engine has it');
    expect(asked.includes('plain.example.com')).toBe(learnt.includes('203.0.113.7'));
  });

  test.each(['looms-names-a', 'looms-names-web', 'looms-names.relay'])(
    'what looms made does not: %s',
    async (container) => {
      expect(await lookUp(container, `${container.replace('.', '-')}.example.com`)).not.toContain('203.0.113.7');
      expect(asked).not.toContain('looms-names');
    },
  );

  test('servers of the project are found by their names all the same, and called', async () => {
    expect(await lookUp('looms-names-a', 'web')).toMatch(/^\d+\.\d+\.\d+\.\d+\s+web/);
    expect(await run(['mcp', 'call', 'web', 'add'])).toExit(0);
  });

  test('a server that an earlier version made without it does not either', async () => {
    const { Config, HostConfig, NetworkingConfig, Image } = {
      NetworkingConfig: { EndpointsConfig: { 'looms-names': { Aliases: ['a'] } } },
      ...(await docker.getContainer('looms-names-a').inspect()),
    };
    const { Dns: _, ...earlier } = HostConfig;
    await docker.getContainer('looms-names-a').remove({ force: true });
    const name = 'looms-names-a';
    const made = await docker.createContainer({ ...Config, name, Image, HostConfig: earlier, NetworkingConfig });
    await made.start();
    expect(await lookUp(name, 'looms-names-earlier.example.com')).not.toContain('203.0.113.7');
    expect(asked).not.toContain('looms-names');
  });
});
