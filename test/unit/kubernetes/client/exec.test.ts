import { EventEmitter, once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { keepAlive } from '../../../../src/kubernetes/client/exec-life.ts';
import type { ExecSession } from '../../../../src/orchestrator/session-host.ts';
import { type ApiServer, apiServer, failure, json, lastWord } from '../../../support/api-server.ts';
import { eventually } from '../../../support/eventually.ts';

const at = { namespace: 'a', pod: 'b', container: 'server' };
const success = { kind: 'Status', status: 'Success' };
const exited = (code: number) => ({
  ...failure(500, 'NonZeroExitCode', `command terminated with exit code ${code}`),
  details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
});
const on = (channel: number, data: string | Buffer): Buffer => Buffer.concat([Buffer.of(channel), Buffer.from(data)]);

let server: ApiServer;
beforeAll(async () => {
  server = await apiServer();
});
afterEach(() => {
  server.arrived.splice(0);
  server.onExec = undefined;
  server.protocol = 'v5.channel.k8s.io';
});
afterAll(() => server?.close());

const open = (argv: readonly string[] = ['true'], options = {}): Promise<ExecSession> =>
  server.cluster().exec(at, argv, options);

async function outputs({ stdout, stderr, ended }: ExecSession) {
  const read = async (stream: AsyncIterable<Buffer>): Promise<string> => {
    let text = '';
    for await (const chunk of stream) text += chunk;
    return text;
  };
  const [out, err, { exitCode }] = await Promise.all([read(stdout), read(stderr), ended]);
  return { out, err, exitCode };
}

describe('an exec', () => {
  it('asks for its container and its words, keeps the streams apart and tells the exit code', async () => {
    server.onExec = (socket) => {
      // In one piece with the answer to the handshake: what a process says at once is not lost.
      for (const message of [on(1, 'out'), on(1, ''), on(2, 'err'), on(1, 'put'), lastWord(exited(7))]) {
        socket.send(message);
      }
      socket.close();
    };
    expect(await outputs(await open(['sh', '-c', 'exit 7 # ä&=']))).toEqual({ out: 'output', err: 'err', exitCode: 7 });
    const [arrived] = server.arrived;
    expect(arrived?.url.pathname).toBe('/api/v1/namespaces/a/pods/b/exec');
    expect([...(arrived?.url.searchParams ?? [])]).toEqual([
      ['container', 'server'],
      ['stdin', 'true'],
      ['stdout', 'true'],
      ['stderr', 'true'],
      ['command', 'sh'],
      ['command', '-c'],
      ['command', 'exit 7 # ä&='],
    ]);
    expect(arrived?.headers.authorization).toBe('Bearer one');
  });

  it('half-closes stdin after all that was written', async () => {
    const got: Buffer[] = [];
    server.onExec = (socket) =>
      void socket.on('message', (message: Buffer) => {
        got.push(message);
        if (message[0] !== 255) return;
        socket.send(on(1, 'end'));
        socket.send(lastWord(success));
        socket.close();
      });
    const session = await open();
    session.stdin.write('one');
    session.stdin.end(Buffer.alloc(100_000, 'x'));
    expect(await outputs(session)).toEqual({ out: 'end', err: '', exitCode: 0 });
    expect(got.at(-1)).toEqual(Buffer.of(255, 0));
    expect(got.slice(0, -1).every((message) => message[0] === 0 && message.length <= 1 + 32 * 1024)).toBe(true);
    const input = Buffer.concat(got.slice(0, -1).map((message) => message.subarray(1)));
    expect(input.toString()).toBe(`one${'x'.repeat(100_000)}`);
  });

  it('has ended for whoever writes to it later', async () => {
    server.onExec = (socket) => socket.close();
    const session = await open();
    session.stdout.resume();
    session.stderr.resume();
    await session.ended;
    const error = await new Promise((resolve) => session.stdin.write('x', resolve));
    expect(error).toMatchObject({ code: 'server-exited' });
  });

  it.each([
    ['a connection that breaks', (socket: WebSocket) => socket.terminate(), { exitCode: null, err: '' }],
    ['one that ends without a last word', (socket: WebSocket) => socket.close(), { exitCode: null, err: '' }],
    [
      'a program that cannot be begun',
      (socket: WebSocket) => {
        socket.send(lastWord(failure(500, 'InternalError', 'exec: "nope": executable file not found')));
        socket.close();
      },
      { exitCode: 126, err: 'exec: "nope": executable file not found\n' },
    ],
    [
      'a process whose node was lost',
      (socket: WebSocket) => {
        socket.send(on(2, 'began\n'));
        socket.send(lastWord(failure(500, 'InternalError', 'connection reset')));
        socket.close();
      },
      { exitCode: null, err: 'began\n' },
    ],
    [
      'a last word that is none',
      (socket: WebSocket) => {
        socket.send(on(3, '{"status":"Fine","details":{"causes":[{"reason":"ExitCode","message":"1e3"}]}}'));
        socket.close();
      },
      { exitCode: null, err: '' },
    ],
    [
      'channels that nobody knows',
      (socket: WebSocket) => {
        for (const message of [Buffer.of(), on(9, 'x'), on(4, 'x'), on(0, 'x'), lastWord(success)])
          socket.send(message);
        socket.close();
      },
      { exitCode: 0, err: '' },
    ],
  ])('ends with what is known of %s', async (_, onExec, expected) => {
    server.onExec = onExec;
    expect(await outputs(await open())).toEqual({ out: '', ...expected });
  });

  it('ends where the server does not close what it has said the last word on', async () => {
    server.onExec = (socket) => socket.send(lastWord(exited(3)));
    expect(await outputs(await open())).toMatchObject({ exitCode: 3 });
  });

  it('is dropped without waiting', async () => {
    let isClosed = false;
    server.onExec = (socket) =>
      void socket.once('close', () => {
        isClosed = true;
      });
    const session = await open();
    session.destroy();
    expect(await outputs(session)).toEqual({ out: '', err: '', exitCode: null });
    await eventually(() => expect(isClosed).toBe(true));
  });

  it.each([
    [404, 'NotFound', 'engine-not-found'],
    [403, 'Forbidden', 'engine-rejected'],
    [400, 'BadRequest', 'engine-rejected'],
  ])('that is refused with %s is an error by that', async (status, reason, code) => {
    server.answer = (_, response) => json(response, status, failure(status, reason, 'why not'));
    await expect(open()).rejects.toMatchObject({ code, message: expect.stringContaining('why not') });
    expect(server.arrived.length).toBe(1);
  });

  it.each([
    'pods "b" is forbidden: User "ann" cannot create resource "pods/exec" in API group "" in the namespace "a"',
    // So for the right to `create`, of who has that to `get`.
    'pods "b" is forbidden: ',
  ])('that is forbidden says which right is lacking: %s', async (said) => {
    server.answer = (_, response) => json(response, 403, failure(403, 'Forbidden', said));
    await expect(open()).rejects.toMatchObject({
      hint: expect.stringContaining('may not get and create pods/exec: `kubectl auth can-i get pods/exec -n a`'),
    });
  });

  it('is asked for once more where the credential is not let in', async () => {
    server.answer = (_, response) => json(response, 401, failure(401, 'Unauthorized', 'who'));
    await expect(open()).rejects.toMatchObject({ code: 'engine-rejected' });
    expect(server.arrived.length).toBe(2);
  });

  it('is not supported by what is older, or speaks another protocol', async () => {
    server.answer = ({ url }, response) => {
      if (url.pathname === '/version') json(response, 200, { major: '1', minor: '29+' });
      else response.writeHead(403, {}).end('');
    };
    const unsupported = { code: 'engine-unsupported', hint: expect.stringContaining('1.30') };
    await expect(open()).rejects.toMatchObject(unsupported);
    server.onExec = (socket) => socket.close();
    server.protocol = undefined;
    await expect(open()).rejects.toMatchObject(unsupported);
    server.protocol = 'v4.channel.k8s.io';
    await expect(open()).rejects.toMatchObject(unsupported);
  });

  it('can be given up while it is opened', async () => {
    server.answer = () => {};
    const controller = new AbortController();
    const opening = open(['true'], { signal: controller.signal });
    await eventually(() => expect(server.arrived.length).toBe(1));
    controller.abort();
    await expect(opening).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('goes on when the signal of its opening aborts', async () => {
    server.onExec = (socket) =>
      void socket.once('message', () => {
        socket.send(lastWord(success));
        socket.close();
      });
    const controller = new AbortController();
    const session = await open(['true'], { signal: controller.signal });
    controller.abort();
    session.stdin.write('x');
    expect((await outputs(session)).exitCode).toBe(0);
  });

  it('is not read faster than it is taken, and waits for both readers', async () => {
    let sent = 0;
    server.onExec = async (socket) => {
      const piece = on(1, Buffer.alloc(32 * 1024));
      for (; sent < 1_000; sent += 1) await new Promise((done) => socket.send(piece, done));
      socket.send(lastWord(success));
      socket.close();
    };
    const session = await open();
    let before = -1;
    await eventually(
      () => {
        const isStill = sent === before;
        before = sent;
        expect(isStill).toBe(true);
      },
      10_000,
      300,
    );
    expect(session.stdout.readableLength).toBeLessThan(512 * 1024);
    expect(sent).toBeLessThan(900);
    let length = 0;
    session.stderr.resume();
    for await (const chunk of session.stdout) length += (chunk as Buffer).length;
    expect([length, await session.ended]).toEqual([1_000 * 32 * 1024, { exitCode: 0 }]);
  });

  it('goes on for one reader when the other was given up', async () => {
    server.onExec = (socket) => {
      for (let count = 0; count < 20; count += 1) socket.send(on(1, Buffer.alloc(32 * 1024)));
      socket.send(on(2, 'err'));
      socket.send(lastWord(success));
      socket.close();
    };
    const session = await open();
    await once(session.stdout, 'readable');
    session.stdout.destroy();
    session.stderr.resume();
    expect(await session.ended).toEqual({ exitCode: 0 });
  });

  it('takes no more stdin than may wait to be sent', async () => {
    server.onExec = (socket) => socket.pause();
    const session = await open();
    session.stdout.resume();
    session.stderr.resume();
    const piece = Buffer.alloc(1024 * 1024);
    let taken = 0;
    const write = (): void =>
      void session.stdin.write(piece, (error) => {
        if (error) return;
        taken += 1;
        write();
      });
    write();
    let before = -1;
    await eventually(
      () => {
        const isStill = taken === before;
        before = taken;
        expect(isStill).toBe(true);
      },
      10_000,
      300,
    );
    expect(taken).toBeLessThan(20);
    session.destroy();
    expect(await session.ended).toEqual({ exitCode: null });
  });
});

describe('an idle connection', () => {
  /** A socket whose other side answers pings, or does not. */
  function paired(answers: () => boolean) {
    let isCut = false;
    const pings: string[] = [];
    const socket = Object.assign(new EventEmitter(), {
      readyState: WebSocket.OPEN,
      ping(data: string) {
        pings.push(data);
        if (answers()) setImmediate(() => socket.emit('pong', Buffer.from(data)));
      },
      terminate() {
        isCut = true;
        socket.emit('close');
      },
    });
    return { socket: socket as unknown as WebSocket, pings, isCut: () => isCut };
  }
  const awake = (): boolean => false;

  it('is pinged, and stays as long as pings are answered', async () => {
    const { socket, pings, isCut } = paired(() => true);
    keepAlive(socket, awake, 2);
    await eventually(() => expect(pings.length).toBeGreaterThan(10));
    expect(isCut()).toBe(false);
    socket.emit('close');
    const { length } = pings;
    const other = paired(() => true);
    keepAlive(other.socket, awake, 2);
    await eventually(() => expect(other.pings.length).toBeGreaterThan(3));
    expect(pings.length).toBe(length);
    other.socket.emit('close');
  });

  it('is cut where nobody answers', async () => {
    const { socket, pings, isCut } = paired(() => false);
    keepAlive(socket, awake, 2);
    await eventually(() => expect(isCut()).toBe(true));
    expect(pings.length).toBe(3);
  });

  it('is not cut while nobody reads the answers, or the process says something', async () => {
    const paused = paired(() => false);
    keepAlive(paused.socket, () => true, 2);
    const talking = paired(() => {
      talking.socket.emit('message', Buffer.of(1));
      return false;
    });
    keepAlive(talking.socket, awake, 2).wrote();
    await eventually(() => expect(Math.min(talking.pings.length, paused.pings.length)).toBeGreaterThan(10));
    expect([talking.isCut(), paused.isCut()]).toEqual([false, false]);
    for (const { socket } of [paused, talking]) socket.emit('close');
  });

  it('is cut later while what was written may be in the way of the pings', async () => {
    const blocked = paired(() => false);
    keepAlive(blocked.socket, awake, 2).wrote();
    await eventually(() => expect(blocked.isCut()).toBe(true));
    expect(blocked.pings.length).toBe(9);
    // Once an answer has shown that all was handed on, the next silence is short.
    const freed = paired(() => freed.pings.length === 8);
    keepAlive(freed.socket, awake, 2).wrote();
    await eventually(() => expect(freed.isCut()).toBe(true));
    expect(freed.pings.length).toBe(8 + 3);
  });

  it('is cut where somebody goes on writing and nobody answers', async () => {
    const lost = paired(() => {
      life.wrote();
      return false;
    });
    const life = keepAlive(lost.socket, awake, 2);
    await eventually(() => expect(lost.isCut()).toBe(true));
    expect(lost.pings.length).toBe(9);
  });
});
