import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFolder, scripts } from '../../../src/kubernetes/objects/scripts.ts';
import { carrierName } from '../../../src/model/ids.ts';
import { eventually } from '../../support/eventually.ts';
import { emptyFolder } from '../../support/looms.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/servers/${name}`, import.meta.url));

/** The scripts as they are in a pod, whose folder is one of this machine here; the log of its PID 1 is nobody's. */
function inPod() {
  const folder = emptyFolder();
  const run = join(folder, 'run');
  mkdirSync(run);
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), text.replaceAll(runFolder, run).replaceAll('/proc/1/fd/2', join(folder, 'log')));
  }
  const start = (program: string, script: string, ...args: readonly string[]): ChildProcess =>
    spawn(program, [join(folder, script), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = (): string => readFileSync(join(folder, 'log'), 'utf8');
  return { run, start, log };
}

async function ended(child: ChildProcess): Promise<{ readonly code: number | null; readonly stderr: string }> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stderr };
}

describe('the gate of a stdio server', () => {
  const gate = async (protocol: string, argv: readonly string[], seconds = 20) => {
    const { run, start, log } = inPod();
    const result = await ended(start('sh', 'gate.sh', String(seconds), protocol, ...argv));
    expect(readdirSync(run)).toEqual([]);
    return { ...result, log: log() };
  };
  const node = (name: string, ...args: readonly string[]): string[] => [process.execPath, fixture(name), ...args];

  it.each([
    ['one of sessions', 'legacy', node('plain.mjs')],
    ['one that writes other things first', 'legacy', node('plain.mjs', '--stray')],
    ['one that does not end by itself', 'legacy', node('plain.mjs', '--ignore-eof')],
    ['one of the older SDK', 'legacy', node('sdk1-stdio.mjs')],
    ['one that knows both, asked for either', 'auto', node('sdk2-stdio.mjs')],
    ['a stateless one', '2026-07-28', node('sdk2-stdio.mjs', '--modern-only')],
    ['a stateless one, asked for either', 'auto', node('sdk2-stdio.mjs', '--modern-only')],
  ])('lets through %s', async (_, protocol, argv) => {
    expect(await gate(protocol, argv)).toMatchObject({ code: 0 });
  });

  it.each([
    ['one that ends', node('plain.mjs', '--exit-on-start'), 'ended before it answered'],
    ['a program that is not there', ['/nowhere/server'], 'ended before it answered'],
    ['one that answers with an error', node('sdk2-stdio.mjs', '--modern-only'), 'which is in its log'],
  ])('says why not, of %s', async (_, argv, why) => {
    const { code, stderr } = await gate('legacy', argv);
    expect(code).not.toBe(0);
    expect(stderr).toContain(why);
  });

  it('has what a server says in the log alone, as what a probe prints stands in events', async () => {
    const answer = '{"jsonrpc":"2.0","id":"looms-gate-1","error":{"code":-32000,"message":"not let in: s3cret"}}';
    const { code, stderr, log } = await gate('legacy', ['sh', '-c', `echo s3cret >&2; echo '${answer}'; cat`]);
    expect([code, stderr]).toEqual([1, 'the server answered with an error, which is in its log\n']);
    expect(log).toBe(`s3cret\n${answer}\n`);
  });

  it('is over when its time is, and leaves no process', async () => {
    const { code } = await gate('legacy', ['sh', '-c', 'trap "" TERM; exec sleep 777.5'], 1);
    expect(code).not.toBe(0);
  });
});

describe('the gate of a server over HTTP', () => {
  let children: ChildProcess[] = [];
  const ports = new Map<string, string>();
  beforeAll(async () => {
    for (const name of ['sdk1-http.mjs', 'all-modern.mjs']) {
      const child = spawn(process.execPath, [fixture(name)], { env: { ...process.env, PORT: '0' }, stdio: 'pipe' });
      children.push(child);
      const port = await new Promise<string>((resolve) => {
        for (const stream of [child.stdout, child.stderr]) {
          createInterface({ input: stream }).on('line', (line) => {
            const found = /(\d{4,5})\D*$/.exec(line)?.[1];
            if (found !== undefined) resolve(found);
          });
        }
      });
      ports.set(name, port);
    }
  });
  afterAll(() => {
    for (const child of children) child.kill();
    children = [];
  });

  const gate = (protocol: string, transport: string, server: string, path: string, pod = inPod()) =>
    ended(pod.start('perl', 'gate-http.pl', '20', protocol, transport, ports.get(server) ?? '1', path));

  it.each([
    ['one of sessions', 'legacy', 'streamable-http', 'sdk1-http.mjs', '/mcp'],
    ['one of the transport of 2024', 'legacy', 'sse', 'sdk1-http.mjs', '/sse'],
    ['a stateless one', '2026-07-28', 'streamable-http', 'all-modern.mjs', '/mcp'],
    ['one of sessions, asked for either', 'auto', 'streamable-http', 'sdk1-http.mjs', '/mcp'],
  ])('lets through %s', async (_, protocol, transport, server, path) => {
    expect(await gate(protocol, transport, server, path)).toEqual({ code: 0, stderr: '' });
  });

  it.each([
    ['another path', 'legacy', 'streamable-http', 'sdk1-http.mjs', '/nothing', 'the server answered HTTP 404'],
    ['a port where nobody listens', 'legacy', 'streamable-http', 'none', '/mcp', 'nothing listens on port 1'],
  ])('says why not, at %s', async (_, protocol, transport, server, path, why) => {
    const { code, stderr } = await gate(protocol, transport, server, path);
    expect(code).toBe(1);
    expect(stderr).toContain(why);
  });

  it('has what a server says in the log alone, without a word that is cut', async () => {
    const body = `not let in: s3cret ${'x'.repeat(70_000)}`;
    const server = createServer((_, response) => response.writeHead(401).end(body)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.set('refuses', String((server.address() as AddressInfo).port));
    const pod = inPod();
    const { code, stderr } = await gate('legacy', 'streamable-http', 'refuses', '/mcp', pod);
    server.close();
    expect([code, stderr]).toEqual([1, 'the server answered HTTP 401, and the rest is in the log of this container\n']);
    expect(pod.log()).toMatch(/^HTTP\/1.1 401 [\s\S]*\r\n\r\n[\s\S]*not let in: s3cret \n$/);
  });
});

it('what is idle ends when it is told to', async () => {
  const child = inPod().start('sh', 'idle.sh');
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const children = (): number[] =>
    readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  const [waiting = 0] = await eventually(() => {
    const all = children();
    expect(all).toHaveLength(1);
    return all;
  });
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  // In a pod it ends with PID 1; here it may be left where the signal came right after it was begun.
  try {
    process.kill(waiting);
  } catch {}
});

it('what is idle tells what carries connections to leave, and ends after it', async () => {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'idle.sh'), scripts['idle.sh'].replaceAll('/proc', join(folder, 'proc')));
  const told = `process.on('SIGTERM', () => process.stdout.write('told\\n')); process.stdin.on('end', () => process.exit()).resume(); process.stdout.write('ready\\n');`;
  const carrier = spawn(process.execPath, ['-e', told], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: carrier.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<unknown> => (await lines.next()).value;
  expect(await line()).toBe('ready');
  const dir = join(folder, 'proc', String(carrier.pid));
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'stat'), `${carrier.pid} (perl) S 0 1 1 0 -1\n`);
  writeFileSync(join(dir, 'cmdline'), `${carrierName} 1\0`);

  const idle = spawn('sh', [join(folder, 'idle.sh')], { stdio: 'ignore' });
  const exited = once(idle, 'exit');
  await eventually(() => expect(readFileSync(`/proc/${idle.pid}/task/${idle.pid}/children`, 'utf8')).toMatch(/^\d+ $/));
  idle.kill('SIGTERM');
  // Twice: what begins meanwhile hears of it as well.
  expect([await line(), await line()]).toEqual(['told', 'told']);
  expect(idle.exitCode).toBe(null);
  rmSync(dir, { recursive: true });
  expect(await exited).toEqual([0, null]);
  carrier.stdin.end();
});
