import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { answerReader } from '../../../../src/docker/engine/connection/answer-reader.ts';
import { requestTarget } from '../../../../src/docker/engine/connection/connection.ts';
import { plainGets } from '../../../../src/docker/engine/connection/plain-gets.ts';
import { requestBytes } from '../../../../src/docker/engine/connection/request.ts';
import { eventually } from '../../../support/eventually.ts';

const lines = (...all: string[]) => Buffer.from(all.join('\r\n'));

const whole = {
  'a stated length': lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: 5', '', 'h\u00e9lo'),
  'no body': lines('HTTP/1.1 200 OK', 'content-length: 0', '', ''),
  'no content': lines('HTTP/1.1 204 No Content', 'Server: Docker', '', ''),
  chunks: lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '3', 'h\u00e9', '2', 'lo', '0', '', ''),
  'a refusal': lines('HTTP/1.1 404 Not Found', 'Content-Length: 16', '', '{"message":"no"}'),
};

describe('an answer is read the same in whatever pieces it comes', () => {
  it.each(Object.entries(whole))('with %s', (_what, bytes) => {
    const expected = answerReader()(bytes);
    expect(expected).toMatchObject({ keeps: true });
    for (let first = 1; first < bytes.length; first += 1) {
      for (const second of [first + 1, first + 2, bytes.length]) {
        const read = answerReader();
        const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        const found = pieces.filter(({ length }) => length > 0).map(read);
        expect(found.at(-1)).toEqual(expected);
        expect(found.slice(0, -1).every((one) => one === 'more')).toBe(true);
      }
    }
  });

  it('to its last byte, and not before', () => {
    for (const bytes of Object.values(whole)) expect(answerReader()(bytes.subarray(0, -1))).toBe('more');
  });
});

describe('what is framed otherwise is left to HTTP as a whole', () => {
  it.each([
    ['an older HTTP', lines('HTTP/1.0 200 OK', 'Content-Length: 1', '', 'a')],
    ['no HTTP', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n\r\n')],
    ['an answer before the answer', lines('HTTP/1.1 100 Continue', '', '')],
    ['an upgrade', lines('HTTP/1.1 200 OK', 'Upgrade: tcp', 'Content-Length: 0', '', '')],
    ['a body until the end', lines('HTTP/1.1 200 OK', '', 'body')],
    ['a connection that ends with it', lines('HTTP/1.1 200 OK', 'Connection: close', 'Content-Length: 1', '', 'a')],
    ['two lengths', lines('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2', '', 'aa')],
    [
      'a length and chunks',
      lines('HTTP/1.1 200 OK', 'Content-Length: 1', 'Transfer-Encoding: chunked', '', '0', '', ''),
    ],
    ['another coding', lines('HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked', '', '0', '', '')],
    ['a length that is none', lines('HTTP/1.1 200 OK', 'Content-Length: -1', '', '')],
    ['a folded header', lines('HTTP/1.1 200 OK', 'X-A: b', ' c', 'Content-Length: 0', '', '')],
    ['a head without end', Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}`)],
    ['a chunk with more to say', lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '1;a=b', 'a', '0', '', '')],
    ['a chunk that goes on', lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '1', 'ab', '0', '', '')],
    ['trailers', lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '1', 'a', '0', 'X: y', '', '')],
  ])('%s', (_what, bytes) => {
    expect(answerReader()(bytes)).toBe('odd');
  });

  it('and a connection with bytes behind an answer is not used again', () => {
    const answer = Buffer.concat([whole['a stated length'], Buffer.from('HTTP/1.1')]);
    expect(answerReader()(answer)).toMatchObject({ status: 200, keeps: false });
  });
});

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A socket of the file system that `server` listens on; `open` are the connections to it. */
async function listening(server: Server): Promise<{ path: string; open: Set<Socket> }> {
  const folder = mkdtempSync(join(tmpdir(), 'looms-gets-'));
  const path = join(folder, 'engine.sock');
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  ends.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { path, open };
}

const engine = (answer: RequestListener) => listening(createHttpServer(answer));
const byBytes = (answer: (socket: Socket, asked: number) => void) => {
  let asked = 0;
  return listening(createServer((socket) => void socket.on('data', () => answer(socket, ++asked))));
};

/** Asks as the engine is asked. */
function asking(path: string) {
  const target = requestTarget({ kind: 'socket', path, origin: 'test' });
  ends.push(target.close);
  return (asked: string, signal = new AbortController().signal) =>
    requestBytes(target, { method: 'GET', path: asked, query: { all: 1 }, signal }).then(String);
}

it('asks one after the other on one connection, and at once on several', async () => {
  const { path, open } = await engine(({ url }, response) => void response.end(url));
  const ask = asking(path);
  expect([await ask('/a'), await ask('/b')]).toEqual(['/a?all=1', '/b?all=1']);
  expect(open.size).toBe(1);
  expect(await Promise.all(['/a', '/b', '/c'].map((one) => ask(one)))).toEqual(['/a?all=1', '/b?all=1', '/c?all=1']);
  expect(open.size).toBe(3);
});

it('reads a long answer in chunks', async () => {
  const { path } = await engine((_request, response) => {
    for (let index = 0; index < 2_000; index += 1) response.write(`${index},`.repeat(50));
    response.end();
  });
  const text = await asking(path)('/a');
  expect(text.split(',')).toHaveLength(100_001);
});

it('says what the engine says where it refuses', async () => {
  const { path } = await engine((_request, response) => {
    response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message":"no such container"}');
  });
  await expect(asking(path)('/a')).rejects.toMatchObject({ statusCode: 404, json: { message: 'no such container' } });
});

it('asks again as a whole where an answer is framed otherwise', async () => {
  const { path } = await byBytes((socket) => void socket.end('HTTP/1.0 200 OK\r\n\r\nold'));
  expect(await asking(path)('/a')).toBe('old');
  const { path: other } = await engine((_request, response) => {
    response.writeHead(200, { Connection: 'close' }).end(gzipSync('a').toString('hex'));
  });
  expect(await asking(other)('/a')).toBe(gzipSync('a').toString('hex'));
});

const short = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na';

it('asks again on another connection where a kept one had ended, and not where an answer broke off', async () => {
  const { path, open } = await byBytes((socket, asked) => {
    if (asked === 2) socket.destroy();
    else if (asked === 4) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab');
    else socket.write(short);
  });
  const ask = asking(path);
  expect([await ask('/a'), await ask('/b')]).toEqual(['a', 'a']);
  expect(open.size).toBe(1);
  await expect(ask('/c')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(await ask('/d')).toBe('a');
});

it('does not keep a connection that says something unasked, or ends', async () => {
  const { path, open } = await byBytes((socket) => void socket.write(short));
  const gets = plainGets(path);
  ends.push(gets.close);
  const { signal } = new AbortController();
  await gets.get('/a', signal);
  for (const socket of open) socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n');
  await eventually(() => expect(open.size).toBe(0));
  expect(await gets.get('/b', signal)).toMatchObject({ status: 200 });
});

it('fails as sockets do where nothing listens, and ends with its signal', async () => {
  await expect(asking('/nowhere/engine.sock')('/a')).rejects.toMatchObject({ code: 'ENOENT' });
  const { path, open } = await byBytes(() => {});
  const controller = new AbortController();
  const asked = asking(path)('/a', controller.signal);
  await eventually(() => expect(open.size).toBe(1));
  controller.abort();
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  await eventually(() => expect(open.size).toBe(0));
});
