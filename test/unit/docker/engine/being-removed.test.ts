import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectDocker } from '../../../../src/docker/engine/engine.ts';
import type { Engine } from '../../../../src/docker/port.ts';
import { asContainerId } from '../../../../src/model/ids.ts';
import { unsignedRecords } from '../../../support/unsigned-records.ts';

const id = asContainerId('c'.repeat(64));

/** An engine on which somebody else removes the container: it is there for `looks` more looks, and its wait never ends. */
async function engineRemoving(looks: number): Promise<{ engine: Engine; left: () => number }> {
  let left = looks;
  const server: Server = createServer(({ url = '', method }, response) => {
    const answer = (status: number, body: unknown): unknown => {
      response.statusCode = status;
      return response.end(JSON.stringify(body));
    };
    if (url.includes('/version')) return answer(200, { ApiVersion: '1.41', Version: '20.10.24' });
    if (method === 'DELETE') return answer(409, { message: `removal of container ${id} is already in progress` });
    if (url.includes('/wait')) return undefined;
    if (left === 0) return answer(404, { message: `No such container: ${id}` });
    left -= 1;
    return answer(200, { Id: id, State: { Status: 'removing', Dead: true }, Config: {}, HostConfig: {} });
  });
  const folder = await mkdtemp(join(tmpdir(), 'looms-removing-'));
  const path = join(folder, 'engine.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const options = { records: unsignedRecords(), environment: {} };
  const engine = await connectDocker({ kind: 'socket', path, origin: 'test' }, options);
  onTestFinished(async () => {
    await engine.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  return { engine, left: () => left };
}

test('what somebody else removes is waited for until it is gone, though the engine never ends its own wait', async () => {
  const { engine, left } = await engineRemoving(3);
  await engine.removeContainer(id);
  expect(left()).toBe(0);
});
