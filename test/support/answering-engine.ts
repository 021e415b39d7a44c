import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import { unsignedRecords } from './unsigned-records.ts';

export type Asked = { readonly method: string; readonly path: string };

/** Words of an engine that answers something else than 200 or 404. */
type Refusal = { readonly refusedWith: number; readonly message: string };

const isRefusal = (said: unknown): said is Refusal =>
  typeof said === 'object' && said !== null && 'refusedWith' in said;

/**
 * A connection to an engine that says of itself the time `systemTime`, and answers all else as `answer` has it: JSON, a text as it
 * stands, undefined for 404 with the words `notFound`, `refusedWith` for another status. `asked` has each request, without the
 * API version and the query.
 */
export async function answeringEngine(
  answer: (asked: Asked) => unknown,
  { systemTime = '2026-01-01T00:00:00Z', notFound = 'no such thing', prepare = (_: Server): void => {} } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'looms-answering-'));
  const path = join(folder, 'engine.sock');
  const asked: Asked[] = [];
  const server = createServer(({ method = '', url = '' }, response) => {
    const one = { method, path: url.replace(/^\/v[\d.]+/, '').replace(/\?.*$/, '') };
    asked.push(one);
    const said =
      one.path === '/version'
        ? { ApiVersion: '1.47', Version: '27.2.0' }
        : one.path === '/info'
          ? { SystemTime: systemTime, ID: 'e' }
          : answer(one);
    if (said === undefined) response.statusCode = 404;
    if (isRefusal(said)) response.statusCode = said.refusedWith;
    response.end(typeof said === 'string' ? said : JSON.stringify(said ?? { message: notFound }));
  });
  prepare(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const options = { records: unsignedRecords(), environment: {} };
  const engine = await connectDocker({ kind: 'socket', path, origin: 'test' }, options);
  return {
    engine,
    asked,
    async [Symbol.asyncDispose]() {
      await engine.close();
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
