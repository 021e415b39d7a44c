import { Readable, Writable } from 'node:stream';
import { LoomsError } from '../../model/errors.ts';

/** Channels of `v5.channel.k8s.io`: the first byte of each message. */
export const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 } as const;

/** Longest piece of stdin in one message, and how much may wait to be sent, bytes. */
const longestPiece = 32 * 1024;
const mostWaiting = 256 * 1024;

/** Of a socket, what reading and what writing need. */
type Tap = { readonly pause: () => void; readonly resume: () => void };
type Sink = {
  readonly isOpen: () => boolean;
  /** How much waits to be sent, bytes. */
  readonly waiting: () => number;
  readonly send: (message: Buffer, done?: (error?: Error) => void) => void;
};

/**
 * What comes from a process, as two streams. The socket is paused while either of them is full, so both have to be read:
 * one that nobody reads stops the other as well.
 */
export function readersOf({ pause, resume }: Tap): {
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly received: (name: 'stdout' | 'stderr', data: Buffer) => void;
  readonly isPaused: () => boolean;
  readonly end: () => void;
} {
  const full = new Set<Readable>();
  const letGo = (stream: Readable): void => {
    if (full.delete(stream) && full.size === 0) resume();
  };
  const reader = (): Readable => {
    const stream: Readable = new Readable({
      read: () => letGo(stream),
      destroy(error, done) {
        // A reader that was given up must not hold the other one back.
        letGo(stream);
        done(error);
      },
    });
    return stream;
  };
  const readers = { stdout: reader(), stderr: reader() };
  return {
    ...readers,
    received(name, data) {
      const stream = readers[name];
      if (stream.destroyed || stream.push(data)) return;
      full.add(stream);
      pause();
    },
    isPaused: () => full.size > 0,
    end() {
      for (const stream of Object.values(readers)) if (!stream.destroyed) stream.push(null);
    },
  };
}

const framed = (name: number, data: Buffer): Buffer => Buffer.concat([Buffer.of(name), data]);

/** The stdin of a process: no more is taken than may wait to be sent; `end` closes it, `destroy` does no more than that either. */
export function writerOf(socket: Sink, onWrite: () => void): Writable {
  const write = (chunk: Buffer, done: (error?: Error | null) => void): void => {
    // A process that is gone reads no more. Whoever writes learns it from `ended`, with its exit code.
    if (!socket.isOpen()) {
      done(new LoomsError('server-exited', 'the process has ended'));
      return;
    }
    const rest = chunk.subarray(longestPiece);
    const next = (error?: Error): void => {
      if (error instanceof Error) done(new LoomsError('server-exited', 'the process has ended', { cause: error }));
      else if (rest.length > 0) write(rest, done);
      else done();
    };
    onWrite();
    const message = framed(channel.stdin, chunk.subarray(0, longestPiece));
    if (socket.waiting() > mostWaiting) socket.send(message, next);
    else {
      socket.send(message);
      next();
    }
  };
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => write(chunk, done),
    final(done) {
      if (socket.isOpen()) socket.send(framed(channel.close, Buffer.of(channel.stdin)), () => done());
      else done();
    },
  });
  // An error on a stream that nobody listens to would end the whole program; it reaches writers by their callback.
  stdin.on('error', () => undefined);
  return stdin;
}
