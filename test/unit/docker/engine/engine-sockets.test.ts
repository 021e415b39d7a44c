import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createSocket, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseHost } from '../../../../src/docker/engine/connection/endpoint.ts';
import { engineFinder } from '../../../../src/docker/engine/connection/engine-sockets.ts';

let folder = '';
const open: Server[] = [];

const listen = (server: Server, path: string): Promise<void> => {
  open.push(server);
  return new Promise((resolve) => void server.listen(path, () => resolve()));
};
const engine = () => createServer((_, answer) => answer.setHeader('Api-Version', '1.41').end('OK'));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'looms-sockets-'));
  for (const name of ['used/deep', 'home/.docker/contexts/meta/x', 'home/empty', 'odd', 'plain', 'later', 'db']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await listen(engine(), join(folder, 'used/deep/any.name'));
  await listen(engine(), join(folder, 'odd/unlisted'));
  await listen(
    createServer((_, answer) => answer.end('a web server')),
    join(folder, 'plain/web'),
  );
  // Takes the connection and never says a word.
  await listen(
    createSocket((socket) => socket.resume()),
    join(folder, 'db/.s.PGSQL.5432'),
  );
  await link(join(folder, 'odd/unlisted'), join(folder, 'plain/hard-link'));
  await mkdir(join(folder, 'linked'));
  await symlink(join(folder, 'used/deep'), join(folder, 'linked/there'));
  await writeFile(
    join(folder, 'home/.docker/contexts/meta/x/meta.json'),
    JSON.stringify({ Endpoints: { docker: { Host: `unix://${folder}/later/engine` } } }),
  );
});
afterAll(async () => {
  await Promise.all(open.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
  await rm(folder, { recursive: true, force: true });
});

const find = (path: string, host = `unix://${folder}/linked/there/any.name`, home = 'home') =>
  engineFinder(
    { environment: {}, homeDirectory: join(folder, home), platform: 'linux', sockets: [] },
    parseHost(host, 'test'),
  )(host.startsWith('ssh') ? path : join(folder, path));
const look = async (path: string, host?: string): Promise<string | undefined> => (await find(path, host))?.path;

test('the socket that is used is found by itself, in a folder, and above that, wherever a link to it is named', async () => {
  const socket = join(folder, 'used/deep/any.name');
  expect(await Promise.all(['used/deep/any.name', 'used/deep', 'used', '.'].map((path) => look(path)))).toEqual(
    Array(4).fill(socket),
  );
});

test('a socket that no list has is found by what answers on it, also under a second name', async () => {
  expect(await look('odd/unlisted')).toBe(join(folder, 'odd/unlisted'));
  expect(await look('odd')).toBe(join(folder, 'odd/unlisted'));
  expect(await look('plain/hard-link')).toBe(join(folder, 'plain/hard-link'));
});

test('one that a context names counts before its engine has started', async () => {
  expect(await look('later')).toBe(join(folder, 'later/engine'));
});

test('sockets of other programs and folders without one may be mounted, also a home folder', async () => {
  expect(await look('plain/web')).toBeUndefined();
  expect(await look('db')).toBeUndefined();
  expect(await look('home')).toBeUndefined();
  expect(await look('not-there')).toBeUndefined();
});

test('of an engine on another machine, the socket that its address names is known', async () => {
  const host = 'ssh://me@far/opt/engine/any.name';
  expect(await look('/opt/engine', host)).toBe('/opt/engine/any.name');
  expect(await look('/opt', host)).toBe('/opt/engine/any.name');
  expect(await look('/srv', host)).toBeUndefined();
});

test('the folder of an engine’s state is found from above and from within: by a configuration, and a user’s own', async () => {
  for (const name of [
    'moved/deep',
    'user/.config/docker',
    'user/.config/containers',
    'user/.local/share/docker',
    'pods',
  ]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await symlink(join(folder, 'moved/deep'), join(folder, 'data-root'));
  await writeFile(join(folder, 'user/.config/docker/daemon.json'), `{ "data-root": "${folder}/data-root" }`);
  await writeFile(join(folder, 'user/.config/containers/storage.conf'), `[storage]\n  graphroot = "${folder}/pods"\n`);
  const state = async (path: string) => (await find(path, undefined, 'user'))?.path.replace(`${folder}/`, '');
  for (const path of ['moved', 'moved/deep', 'moved/deep/volumes/x']) expect(await state(path)).toBe('moved/deep');
  expect(await state('pods/overlay')).toBe('pods');
  expect(await state('user')).toBe('user/.local/share/docker');
  expect(await find('moved', undefined, 'user')).toMatchObject({ kind: 'state' });
  expect(await state('moved-elsewhere')).toBeUndefined();
  expect(await look('moved')).toBeUndefined();
});
