import { connect, type Socket } from 'node:net';
import { answerReader, type PlainAnswer } from './answer-reader.ts';

/**
 * GET requests over a local socket, each connection kept for the next one. They are most of what a run asks; of CPU time,
 * Node's own HTTP takes 20 ms for the first of them and 0.5 for each further one, this 8 and 0.1 (Node 24).
 */
export type PlainGets = {
  /**
   * The answer to a path, with a query, in ASCII. `odd`: it has to be asked again in another way, that of HTTP as a whole.
   * Rejects with the socket's error, with `ECONNRESET` for an answer that broke off, and when `signal` aborts.
   */
  readonly get: (path: string, signal: AbortSignal) => Promise<PlainAnswer | 'odd'>;
  /** Ends the connections that wait for another request. */
  readonly close: () => void;
};

/** What becomes of a request on one connection. `unsent`: the connection had ended before anything came of it. */
type Outcome = PlainAnswer | 'odd' | 'unsent';

const brokenOff = (): Error => Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });

/** Asks on a connection that nobody else uses now. */
function askOn(socket: Socket, isKept: boolean, path: string, signal: AbortSignal): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const read = answerReader();
  let hasBegun = false;
  const onData = (bytes: Buffer): void => {
    hasBegun = true;
    const found = read(bytes);
    if (found === 'more') return;
    leave();
    if (found === 'odd' || !found.keeps) socket.destroy();
    resolve(found);
  };
  const fail = (error: NodeJS.ErrnoException): void => {
    leave();
    socket.destroy();
    // The engine closed a kept connection while it lay idle, which says nothing about the engine.
    if (isKept && !hasBegun && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) resolve('unsent');
    else reject(error);
  };
  const onEnd = (): void => fail(brokenOff());
  const onAbort = (): void => fail(signal.reason);
  const leave = (): void => {
    socket.off('data', onData).off('error', fail).off('end', onEnd).off('close', onEnd);
    signal.removeEventListener('abort', onAbort);
  };
  socket.on('data', onData).on('error', fail).on('end', onEnd).on('close', onEnd);
  signal.addEventListener('abort', onAbort);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: docker\r\nConnection: keep-alive\r\n\r\n`, 'latin1');
  return promise;
}

/** Connections to the socket at `path` of the file system are made as requests need them. */
export function plainGets(path: string): PlainGets {
  const idle: Socket[] = [];
  const drop = (socket: Socket): void => {
    const index = idle.indexOf(socket);
    if (index !== -1) idle.splice(index, 1);
    socket.destroy();
  };
  const open = (): Socket => {
    const socket = connect({ path });
    // Between two requests nothing is expected: an end, an error and bytes all mean that the connection is of no use.
    return socket
      .on('error', () => drop(socket))
      .on('end', () => drop(socket))
      .on('data', () => void (idle.includes(socket) && drop(socket)));
  };
  const keep = (socket: Socket): void => {
    socket.unref();
    idle.push(socket);
  };
  const get: PlainGets['get'] = async (asked, signal) => {
    signal.throwIfAborted();
    for (;;) {
      const kept = idle.pop();
      const socket = kept?.ref() ?? open();
      const outcome = await askOn(socket, kept !== undefined, asked, signal);
      if (outcome === 'unsent') continue;
      if (outcome !== 'odd' && outcome.keeps) keep(socket);
      return outcome;
    }
  };
  return { get, close: () => idle.splice(0).forEach((socket) => void socket.destroy()) };
}
