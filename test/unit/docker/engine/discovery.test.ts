import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { negotiateApi } from '../../../../src/docker/engine/connection/connect.ts';
import {
  type DiscoveryInput,
  discover,
  discoverEndpoint,
  usualSockets,
} from '../../../../src/docker/engine/connection/discovery.ts';
import { endpointUrl, parseHost } from '../../../../src/docker/engine/connection/endpoint.ts';
import { sshArguments } from '../../../../src/docker/engine/connection/ssh-agent.ts';

let home = '';
let server: Server;
let socket = '';

const addContext = async (name: string, host: string, tls = false): Promise<void> => {
  const hash = createHash('sha256').update(name).digest('hex');
  const meta = join(home, '.docker/contexts/meta', hash);
  await mkdir(meta, { recursive: true });
  const endpoints = { docker: { Host: host, SkipTLSVerify: false } };
  await writeFile(join(meta, 'meta.json'), JSON.stringify({ Name: name, Endpoints: endpoints }));
  if (!tls) return;
  const directory = join(home, '.docker/contexts/tls', hash, 'docker');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'ca.pem'), 'the ca');
};

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'looms-discovery-'));
  socket = join(home, 'live.sock');
  server = createServer().listen(socket);
  await addContext('remote', 'tcp://10.0.0.5:2376', true);
  await addContext('colima', 'unix:///somewhere/colima.sock');
  await writeFile(join(home, '.docker/config.json'), JSON.stringify({ currentContext: 'colima' }));
});

afterAll(async () => {
  server.close();
  await rm(home, { recursive: true, force: true });
});

const input = (more: Partial<DiscoveryInput> = {}): DiscoveryInput => ({
  environment: {},
  homeDirectory: home,
  platform: 'linux',
  uid: 1000,
  sockets: [
    { path: join(home, 'nothing.sock'), origin: 'default socket' },
    { path: socket, origin: 'rootless Docker socket' },
  ],
  ...more,
});

const found = async (more: Partial<DiscoveryInput> = {}): Promise<string> => {
  const { endpoint } = await discover(input(more));
  return endpoint === null ? 'nothing' : `${endpointUrl(endpoint)} (${endpoint.origin})`;
};

describe('what the user names wins, in this order', () => {
  const environment = { DOCKER_HOST: 'ssh://me@box:2222/run/x.sock', DOCKER_CONTEXT: 'remote' };

  test('--host, --context, DOCKER_HOST, DOCKER_CONTEXT, the current context, the sockets', async () => {
    expect(await found({ environment, host: 'unix:///a.sock' })).toBe('unix:///a.sock (--host)');
    expect(await found({ environment, context: 'colima' })).toBe('unix:///somewhere/colima.sock (--context colima)');
    expect(await found({ environment })).toBe('ssh://me@box:2222/run/x.sock (DOCKER_HOST)');
    expect(await found({ environment: { DOCKER_CONTEXT: 'remote' } })).toBe(
      'tcp://10.0.0.5:2376 (DOCKER_CONTEXT remote)',
    );
    expect(await found()).toBe('unix:///somewhere/colima.sock (current Docker context colima)');
    expect(await found({ context: 'default' })).toBe(`unix://${socket} (rootless Docker socket)`);
  });

  test('a project file comes before what Docker itself takes, and after all that is said', async () => {
    const file = { at: 'looms.yaml:2', host: 'tcp://h:1' };
    expect(await found({ file })).toBe('tcp://h:1 (looms.yaml:2)');
    expect(await found({ file: { at: 'looms.yaml:2', context: 'remote' } })).toBe(
      'tcp://10.0.0.5:2376 (looms.yaml:2: context remote)',
    );
    expect(await found({ file, environment })).toBe('ssh://me@box:2222/run/x.sock (DOCKER_HOST)');
    expect(await found({ file, context: 'default' })).toBe(`unix://${socket} (rootless Docker socket)`);
    expect(await found({ file, environment: { DOCKER_CONTEXT: 'default' } })).toBe(
      `unix://${socket} (rootless Docker socket)`,
    );
    expect(await found({ file: { at: 'looms.yaml:2', context: 'default' } })).toBe(
      `unix://${socket} (rootless Docker socket)`,
    );
  });

  test('--host and --context together are refused', async () => {
    await expect(discover(input({ host: 'tcp://a', context: 'b' }))).rejects.toMatchObject({ code: 'usage' });
  });

  test('a context that does not exist is an error, not the next place', async () => {
    await expect(discover(input({ context: 'gone' }))).rejects.toMatchObject({ code: 'context-not-found' });
  });
});

test('every place that was looked at is told, with why', async () => {
  const { tried } = await discover(input({ context: 'default' }));
  expect(tried.slice(-2).map(({ origin, outcome, detail }) => `${origin}: ${outcome}: ${detail}`)).toEqual([
    'default socket: absent: no such file',
    'rootless Docker socket: chosen: it accepts connections',
  ]);
});

test('finding nothing says what was tried and how to start an engine on this platform', async () => {
  const nothing = { context: 'default', sockets: [{ path: join(home, 'nothing.sock'), origin: 'default socket' }] };
  await expect(discoverEndpoint(input(nothing))).rejects.toMatchObject({
    code: 'engine-unreachable',
    hint: expect.stringContaining('docker.io'),
    detail: [expect.stringContaining('no such file')],
  });
  await expect(discoverEndpoint(input({ ...nothing, platform: 'darwin' }))).rejects.toMatchObject({
    hint: expect.stringContaining('colima start'),
  });
});

test('TLS comes from the context, or from DOCKER_TLS_VERIFY and DOCKER_CERT_PATH', async () => {
  const byContext = await discover(input({ context: 'remote' }));
  expect(byContext.endpoint).toMatchObject({ kind: 'tcp', tls: { ca: 'the ca', verify: true } });
  await writeFile(join(home, 'cert.pem'), 'mine');
  const environment = { DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: home };
  const byEnvironment = await discover(input({ environment }));
  expect(byEnvironment.endpoint).toMatchObject({ host: 'h', port: 2376, tls: { cert: 'mine', verify: true } });
  const plain = await discover(input({ environment: { DOCKER_HOST: 'tcp://h' } }));
  expect(plain.endpoint).toEqual({ kind: 'tcp', host: 'h', port: 2375, origin: 'DOCKER_HOST' });
});

test('the usual sockets include rootless, OrbStack, Colima and Podman', () => {
  const paths = usualSockets({ environment: {}, homeDirectory: '/home/me', platform: 'linux', uid: 1000 }).map(
    ({ path }) => path,
  );
  expect(paths[0]).toBe('/var/run/docker.sock');
  expect(paths).toEqual(
    expect.arrayContaining([
      '/run/user/1000/docker.sock',
      '/home/me/.orbstack/run/docker.sock',
      '/home/me/.colima/default/docker.sock',
      '/run/user/1000/podman/podman.sock',
    ]),
  );
});

test.each([
  ['tcp://[::1]:2375', 'tcp://[::1]:2375'],
  ['10.1.2.3:2375', 'tcp://10.1.2.3:2375'],
  ['npipe:////./pipe/docker_engine', 'npipe:////./pipe/docker_engine'],
  ['ssh://box', 'ssh://box'],
  ['https://box', 'tcp://box:2376'],
])('%s is read as a host', (text, url) => {
  expect(endpointUrl(parseHost(text, 'test'))).toBe(url);
});

test.each(['unix://relative', 'ftp://box', 'tcp://', 'ssh://-oProxyCommand=evil'])(
  '%s is refused as a host',
  (text) => {
    expect(() => parseHost(text, 'DOCKER_HOST')).toThrow(/DOCKER_HOST is/);
  },
);

test('ssh runs the user’s own ssh with dial-stdio, and quotes for the shell on the other side', () => {
  const argv = sshArguments(
    { kind: 'ssh', host: 'box', user: 'me', port: 22, remoteSocket: "/o'dd/x.sock", origin: '' },
    30,
  );
  expect(argv.join(' ')).toBe(
    "-l me -p 22 -o ConnectTimeout=30 -T -- box docker --host 'unix:///o'\\''dd/x.sock' system dial-stdio",
  );
});

test.each([
  ['1.41', '1.12', '1.41'],
  ['1.52', '1.44', '1.47'],
  ['1.60', '1.50', '1.50'],
  ['1.47', '1.24', '1.47'],
])('with an engine of API %s (oldest %s) we speak %s', (newest, oldest, spoken) => {
  expect(negotiateApi({ newest, oldest }, 'it')).toBe(spoken);
});

test('an engine older than 20.10 is refused', () => {
  expect(() => negotiateApi({ newest: '1.40', oldest: '1.12' }, 'it')).toThrow(/1.41 or newer/);
});
