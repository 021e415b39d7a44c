import { type Duplex, finished, Readable, Writable } from 'node:stream';
import { isFailure, LoomsError } from '../../../model/errors.ts';
import { type ContainerId, shortId } from '../../../model/ids.ts';
import type { ExecRequest, ExecSession } from '../../port.ts';
import { ask, askHijacked, post } from '../connection/ask.ts';
import { poll } from '../connection/call.ts';
import { type Client, unsignalled } from '../connection/connection.ts';
import { statusOf } from '../connection/errors.ts';
import type { Hijacked } from '../connection/request.ts';
import { containerRunning, inspectExec } from '../containers/containers.ts';
import { demultiplexer } from './demultiplex.ts';

/** The engine closes the streams a moment before it knows the exit code (20.10): it is asked again until then, ms. */
const exitCodePatienceMs = 2_000;
const exitCodePauseMs = 10;

/**
 * A hijacked connection as three streams. The socket is paused while either reader is full, so both have to be read:
 * one that nobody reads stops the other as well, once its buffer is full. `closed` tells whether the connection ended
 * the way the engine ends it.
 */
function splitStreams({ socket, head }: Hijacked): {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly closed: Promise<'ended' | 'broken'>;
} {
  const full = new Set<Readable>();
  const reader = (): Readable => {
    const stream: Readable = new Readable({
      read() {
        full.delete(stream);
        if (full.size === 0) socket.resume();
      },
      destroy(error, done) {
        // A reader that was given up must not hold the other one back.
        full.delete(stream);
        if (full.size === 0) socket.resume();
        done(error);
      },
    });
    return stream;
  };
  const readers = { stdout: reader(), stderr: reader() };
  const demux = demultiplexer((name, piece) => {
    const stream = readers[name];
    if (stream.destroyed || stream.push(piece)) return;
    full.add(stream);
    socket.pause();
  });
  const closed = new Promise<'ended' | 'broken'>((resolve) => {
    finished(socket, { readable: true, writable: false }, (error) => {
      for (const stream of Object.values(readers)) if (!stream.destroyed) stream.push(null);
      resolve(error || !demux.isComplete() ? 'broken' : 'ended');
    });
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      demux.feed(chunk);
    } catch (error) {
      socket.destroy(error as Error);
    }
  });
  if (head.length > 0) socket.unshift(head);
  return { ...readers, stdin: stdinOf(socket), closed };
}

/** The process' stdin: `end` half-closes the connection, `destroy` does no more than that either. */
const stdinOf = (socket: Duplex): Writable => {
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      // A process that is gone reads no more. Whoever writes learns it from `ended`, with its exit code.
      if (socket.destroyed || socket.writableEnded) done(new LoomsError('server-exited', 'the process has ended'));
      else socket.write(chunk, done);
    },
    final: (done) => {
      if (socket.destroyed) done();
      else socket.end(() => done());
    },
  });
  // An error on a stream that nobody listens to would end the whole program; it reaches writers by their callback.
  stdin.on('error', () => undefined);
  return stdin;
};

async function exitCodeOf(client: Client, exec: string): Promise<number | null> {
  const look = async (): Promise<number | null | undefined> => {
    const state = await inspectExec(unsignalled(client), exec);
    if (state === null) return null;
    return state.Running !== true && typeof state.ExitCode === 'number' ? state.ExitCode : undefined;
  };
  return (await poll(look, { everyMs: exitCodePauseMs, limitMs: exitCodePatienceMs })) ?? null;
}

/** Starts a process in a container; the signal bounds the opening. Throws `server-not-running`, `engine-not-found`. */
export async function openExec(client: Client, id: ContainerId, request: ExecRequest): Promise<ExecSession> {
  const what = `run ${request.argv[0] ?? 'nothing'} in container ${shortId(id)}`;
  const exec = await create(client, id, request, what);
  const hijacked = await start(client, id, exec, what);
  const { socket } = hijacked;
  const { closed, ...streams } = splitStreams(hijacked);
  let destroyed = false;
  const ended = closed.then(async (how) => {
    if (how === 'broken' || destroyed) return { exitCode: null };
    try {
      return { exitCode: await exitCodeOf(client, exec) };
    } catch (error) {
      // The container, and with it what is known of its execs, may be gone by now: how it ended is unknown then.
      if (error instanceof LoomsError) return { exitCode: null };
      throw error;
    }
  });
  return {
    ...streams,
    ended,
    destroy: () => {
      destroyed = true;
      socket.destroy();
    },
  };
}

async function start(client: Client, id: ContainerId, exec: string, what: string): Promise<Hijacked> {
  try {
    return await askHijacked(client, what, post(`/exec/${exec}/start`, {}, { Detach: false, Tty: false }));
  } catch (error) {
    // A container that stopped after the exec was made is refused with a status that other things have too.
    if (!(error instanceof LoomsError) || statusOf(error) === undefined) throw error;
    const now = await containerRunning(client, id);
    if (now?.running) throw error;
    throw new LoomsError('server-not-running', error.message, { cause: error });
  }
}

async function create(client: Client, id: ContainerId, request: ExecRequest, what: string): Promise<string> {
  const body = {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false,
    Cmd: request.argv,
    Env: Object.entries(request.env ?? {}).map(([name, value]) => `${name}=${value}`),
    ...(request.user === undefined ? {} : { User: request.user }),
    ...(request.workingDir === undefined ? {} : { WorkingDir: request.workingDir }),
  };
  try {
    return (await ask<{ Id: string }>(client, what, post(`/containers/${id}/exec`, {}, body))).Id;
  } catch (error) {
    // 409: the container is stopped, paused or restarting.
    if (!isFailure(error, 'engine-conflict')) throw error;
    throw new LoomsError('server-not-running', error.message, { cause: error });
  }
}
