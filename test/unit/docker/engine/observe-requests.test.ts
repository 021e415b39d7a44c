import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { connectDocker } from '../../../../src/docker/engine/engine.ts';
import { asProjectName } from '../../../../src/model/ids.ts';
import { unsignedRecords } from '../../../support/unsigned-records.ts';

const image = `sha256:${'a'.repeat(64)}`;
const project = asProjectName('shop');
const ids = Array.from({ length: 50 }, (_, index) => index.toString(16).padStart(64, '0'));
const labels = (server: number) => ({
  'looms.project': project,
  'looms.role': 'server',
  'looms.server': `s${server}`,
  'looms.generation': '1',
  'looms.image-id': image,
});
const listed = ids.map((Id, index) => ({
  Id,
  Names: [`/looms-shop-s${index}`],
  Image: 'tools:1',
  ImageID: image,
  State: 'running',
  Created: 1,
  Labels: labels(index),
}));

const answerTo = (path: string): unknown => {
  const [, id] = /^\/containers\/([0-9a-f]+)\/json$/.exec(path) ?? [];
  if (path === '/version') return { ApiVersion: '1.41', Version: '20.10.24' };
  if (path === '/info') return { SystemTime: '2026-01-01T00:00:00Z', ID: 'e' };
  if (path === '/containers/json') return listed;
  if (path === '/networks') return [{ Id: 'n1', Name: 'looms-shop', Labels: { 'looms.project': project } }];
  if (path === '/networks/n1') return { Id: 'n1', Name: 'looms-shop', Labels: { 'looms.project': project } };
  if (path === '/volumes') return { Volumes: [] };
  if (path.startsWith('/images/')) return { Id: image, Created: '', Architecture: 'amd64', Config: {} };
  if (id === undefined) return undefined;
  const index = ids.indexOf(id);
  const Name = `/looms-shop-s${index}`;
  return { Id: id, Created: '', Name, Image: image, State: {}, Config: { Labels: labels(index) }, HostConfig: {} };
};

/** An engine that answers nothing before nobody has asked anything more for a moment: each time is a round. */
async function engineInRounds(path: string) {
  const rounds: string[][] = [];
  let waiting: { url: string; response: ServerResponse }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let asked = 0;
  const answer = (): void => {
    rounds.push(waiting.map(({ url }) => url).sort());
    const due = waiting;
    waiting = [];
    for (const { url, response } of due) response.end(JSON.stringify(answerTo(url)));
  };
  /** Answers once so many turns of the loop brought nothing: after a pause of this process, what came meanwhile is read first. */
  const rest = (before: number, turns: number): void => {
    if (asked !== before) return;
    if (turns === 0) answer();
    else setImmediate(rest, before, turns - 1);
  };
  const server = createServer(({ url = '' }, response) => {
    asked += 1;
    waiting.push({ url: url.replace(/^\/v1\.41/, '').replace(/\?.*$/, ''), response });
    clearTimeout(timer);
    timer = setTimeout(rest, 50, asked, 20);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { rounds, stop: () => server.close() };
}

test('a project of 50 servers is observed in two rounds, the second as wide as inspects go, and nothing is asked twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'looms-rounds-'));
  const path = join(folder, 'engine.sock');
  const { rounds, stop } = await engineInRounds(path);
  const options = { records: unsignedRecords(), environment: {} };
  const engine = await connectDocker({ kind: 'socket', path, origin: 'test' }, options);
  try {
    const observed = await engine.observe({ project, images: ['tools:1'], checkRegistry: [] });
    expect(observed.containers).toHaveLength(50);
    const [version, first, second, ...others] = rounds;
    expect(version).toEqual(['/version']);
    // Once by label and once by name: the API has no "or", and others may hold the project's names.
    const listings = ['/containers/json', '/containers/json'];
    expect(first).toEqual([...listings, '/images/tools:1/json', '/info', '/networks', '/volumes']);
    expect(second?.filter((url) => !url.startsWith('/containers/'))).toEqual(['/networks/n1']);
    const inspects = [second, ...others].flatMap((round) => round ?? []).filter((url) => url !== '/networks/n1');
    expect(inspects.sort()).toEqual(ids.map((id) => `/containers/${id}/json`));
    // 16 at once.
    expect(others.map((round) => round.length)).toEqual([16, 16, 2]);
  } finally {
    await engine.close();
    stop();
    await rm(folder, { recursive: true, force: true });
  }
});
