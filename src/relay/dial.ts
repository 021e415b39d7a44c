import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connectionRefused } from '../model/connection-refused.ts';
import { engineAnswerMs } from '../model/engine.ts';
import { LoomsError } from '../model/errors.ts';
import type { ContainerId } from '../model/ids.ts';
import type { Reach } from '../model/server-view.ts';
import { orAborted } from '../model/values/or-aborted.ts';
import type { DialRequest, SessionHost } from '../orchestrator/session-host.ts';
import { relayProgram } from './program.ts';

/** What may be on its way from a server to a reader that does not read, and the other way, bytes a connection. */
const downWindow = 256 * 1024;
const upWindow = 64 * 1024;
/** Longest piece of data in one frame, bytes. */
const longestPiece = 64 * 1024;

/** How long the process in the relay lives without a word from here, s; and how often it hears one, ms. */
const leaseSeconds = 60;
const renewEveryMs = 20_000;
/** How long a process that wrote what is no frame has to end, before that is taken for its own word, ms. */
const lastWordsMs = 2_000;
/**
 * How often a process is begun that the engine could not begin, and how long after the first time, ms: longer each time. One
 * that was killed is begun as long as there is time, after the same pauses.
 */
const mostBegins = 5;
const firstPauseMs = 100;
/** How long one try to connect may take before we look whether the server still runs, s. */
const patienceSeconds = 2;

/** Where connections to a container begin: a container with Perl, and the server's name as that one knows it. */
export type RelayPlace = { readonly relay: ContainerId; readonly host: string };

/** What dialling needs of a kind of engine. */
export type Relays = {
  /** An exec in a relay. */
  readonly exec: SessionHost['exec'];
  readonly containerRunning: SessionHost['containerRunning'];
  readonly placeOf: (container: ContainerId, reach: Reach) => RelayPlace;
  /** What to do about a relay: one that cannot run the program, and one in which something else answers. */
  readonly hints: { readonly unable: string; readonly foreign: string };
};

type RelayAddress = RelayPlace & { readonly relays: Relays };

type Call = DialRequest & {
  readonly port: number;
  /** Whether the server still runs; asked between tries. */
  readonly serverRuns: (signal: AbortSignal) => Promise<boolean>;
};

/**
 * `SessionHost.dial` through a relay, which reaches what this machine may have no way to. Those who dial one host share one process in
 * its relay, which goes with the last who holds it, and is started again when it was killed meanwhile.
 */
export function relayDial(relays: Relays): SessionHost['dial'] {
  const known = new Map<string, Shared>();
  return async (container, port, request) => {
    const { held, server } = request;
    const place = relays.placeOf(container, request.reach);
    const key = `${place.relay} ${place.host}`;
    if (held.aborted) throw new LoomsError('interrupted', `stopped connecting to ${server}`);
    const shared = known.get(key) ?? { holders: new Set(), carrier: undefined };
    known.set(key, shared);
    if (!shared.holders.has(held)) {
      shared.holders.add(held);
      shared.carrier?.then((carrier) => carrier.isHeldBy(shared.holders.size), nothing);
      const letGo = (): void => {
        shared.holders.delete(held);
        if (shared.holders.size === 0) known.delete(key);
        shared.carrier?.then((carrier) => carrier.isHeldBy(shared.holders.size), nothing);
      };
      held.addEventListener('abort', letGo, { once: true });
    }
    const serverRuns = (signal: AbortSignal): Promise<boolean> => runs(relays, container, signal);
    return dial({ ...place, relays }, shared, { ...request, port, serverRuns });
  };
}

async function runs(relays: Relays, container: ContainerId, signal: AbortSignal): Promise<boolean> {
  const tooLate = AbortSignal.timeout(engineAnswerMs);
  try {
    const state = await relays.containerRunning(container, { signal: AbortSignal.any([signal, tooLate]) });
    return state?.running === true;
  } catch (error) {
    // An engine that is slow to say how the server is says nothing about the server: the deadline is the bound.
    if (tooLate.aborted && !signal.aborted) return true;
    throw error;
  }
}

type Shared = { readonly holders: Set<AbortSignal>; carrier: Promise<Carrier> | undefined };

async function dial(address: RelayAddress, shared: Shared, call: Call): Promise<Duplex> {
  const { signal, deadline, server, port } = call;
  for (let [begins, pauses] = [1, 0]; ; ) {
    const left = Math.max(0, deadline - performance.now());
    const trying = currentCarrier(address, shared).then((carrier) =>
      carrier.open(port, Math.min(patienceSeconds, Math.ceil(left / 1000)), call.answersOnStream === true),
    );
    const outcome = await inTime(trying, left, signal);
    if (outcome instanceof Duplex) return outcome;
    // What comes too late is nobody's.
    if (outcome === 'slow') trying.then((late) => late instanceof Duplex && late.destroy(), nothing);
    if (signal.aborted) throw new LoomsError('interrupted', `stopped connecting to ${server}`);
    if (outcome === 'broken') throw brokenRelay(server, address.relays.hints.foreign);
    const isOver = performance.now() >= deadline;
    const exitCode = typeof outcome === 'object' ? outcome.exitCode : undefined;
    const isUnbegun = exitCode === notBegun && begins < mostBegins;
    if (exitCode !== undefined && (isUnbegun || wasKilled(exitCode)) && !isOver) {
      if (isUnbegun) begins += 1;
      pauses += 1;
      const pause = firstPauseMs * 2 ** Math.min(pauses, mostBegins) * Math.random();
      await orAborted(delay(Math.min(pause, deadline - performance.now())), signal);
    } else if (exitCode !== undefined) {
      throw new LoomsError(
        'session-failed',
        `the relay could not connect to ${server} on port ${port} (exit code ${exitCode})`,
        { hint: address.relays.hints.unable },
      );
    }
    if (isOver || !(await call.serverRuns(signal))) throw connectionRefused(server, port);
  }
}

/** What the work came to; `slow` when it takes longer than `ms`, or the signal aborts. Throws what the work throws. */
async function inTime<T extends object | string>(
  work: Promise<T>,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<T | 'slow'> {
  const timer = new AbortController();
  const slow = delay(ms, 'slow' as const, { signal: timer.signal }).catch(() => 'slow' as const);
  try {
    return (await orAborted(Promise.race([work, slow]), signal)) ?? 'slow';
  } finally {
    timer.abort();
  }
}

/**
 * Whether a process in the relay was ended by a signal, or nobody knows how: each exec takes some 10 MB of the relay's
 * memory until its program runs, and where many begin at once the kernel ends one.
 */
const wasKilled = (exitCode: number | null): boolean => exitCode === null || exitCode > 128;

/** The engine's exit code of a program that it could not begin: the image lacks it, or there was no memory for it. */
const notBegun = 126;

/** What is not ours in the relay says what our program never says; nothing of it is believed. */
const brokenRelay = (server: string, hint: string): LoomsError =>
  new LoomsError('session-failed', `the relay to ${server} answers what its program does not answer`, { hint });

/** What one try to connect came to; an exit code when the process in the relay ended before. */
type Attempt = Duplex | 'refused' | 'broken' | { readonly exitCode: number | null };

/** One process in the relay with its connections. */
type Carrier = {
  /** One try; `refused` when nothing listened for so many seconds, `broken` when the relay does not say what it may. */
  readonly open: (port: number, patience: number, answersOnStream: boolean) => Promise<Attempt>;
  /** Says how many hold it, for whoever counts sessions there; without any it ends. */
  readonly isHeldBy: (holders: number) => void;
};

/** The carrier that runs, or a new one. It is nobody's own: who gives up waiting for it ends it for no one else. */
function currentCarrier(address: RelayAddress, shared: Shared): Promise<Carrier> {
  if (shared.carrier !== undefined) return shared.carrier;
  const starting = startCarrier(address, () => {
    if (shared.carrier === starting) shared.carrier = undefined;
  });
  shared.carrier = starting;
  starting.then(
    (carrier) => carrier.isHeldBy(shared.holders.size),
    () => {
      shared.carrier = undefined;
    },
  );
  return starting;
}

type Connection = {
  readonly stream: Duplex;
  readonly told: (outcome: 'open' | 'refused') => void;
  /** false: more than its window allows. */
  readonly received: (data: Buffer) => boolean;
  readonly mayWrite: (bytes: number) => void;
  /** Nothing more comes, and nothing more is taken. */
  readonly over: () => void;
};

async function startCarrier({ relays, relay, host }: RelayAddress, onEnd: () => void): Promise<Carrier> {
  const exec = await relays.exec(relay, { argv: ['perl', '-e', relayProgram, host, String(leaseSeconds)] });
  const open = new Map<number, Connection>();
  let last = 0;
  const send = (id: number, type: string, data: Buffer = Buffer.alloc(0)) => {
    const head = Buffer.alloc(9, type);
    head.writeUInt32BE(id, 0);
    head.writeUInt32BE(data.length, 5);
    if (!exec.stdin.writableEnded && !exec.stdin.destroyed) exec.stdin.write(Buffer.concat([head, data]));
  };
  const renewal = setInterval(() => send(0, 'L', numbers(leaseSeconds)), renewEveryMs);
  renewal.unref();

  const isOver = exec.ended.then(
    ({ exitCode }) => ({ exitCode }),
    () => ({ exitCode: null }),
  );
  const finish = () => {
    clearInterval(renewal);
    onEnd();
    for (const connection of [...open.values()]) connection.over();
    open.clear();
  };
  isOver.then(finish);

  let heard = false;
  const violation = Promise.withResolvers<'broken'>();
  const breakOff = () => {
    violation.resolve('broken');
    for (const { stream } of [...open.values()]) stream.destroy(new Error('the relay does not keep to its protocol'));
    exec.destroy();
    finish();
  };
  const refuse = (): false => {
    // In place of a first frame the engine may write why it could not begin the program, which ends at once then.
    if (heard) breakOff();
    else inTime(isOver, lastWordsMs, undefined).then(breakOff);
    exec.stdout.off('data', read).resume();
    return false;
  };
  const read = frameReader((id, type, data) => {
    const connection = open.get(id);
    if (connection === undefined) return true;
    heard = true;
    if (type === 'D') return connection.received(data) || refuse();
    if (type === 'W') {
      if (data.length !== 4) return refuse();
      connection.mayWrite(data.readUInt32BE());
    } else if (type === 'O') connection.told('open');
    else if (type === 'R') connection.told('refused');
    else {
      open.delete(id);
      connection.over();
    }
    return true;
  }, refuse);
  exec.stdout.on('data', read);
  for (const stream of [exec.stdin, exec.stdout, exec.stderr]) stream.on('error', nothing); // `ended` says so.
  exec.stderr.resume();

  return {
    async open(port, patience, answersOnStream) {
      last += 1;
      const id = last;
      const outcome = new Promise<'open' | 'refused'>((resolve) => {
        open.set(
          id,
          connectionOf(id, send, resolve, () => open.delete(id)),
        );
      });
      const { stream } = open.get(id) as Connection;
      send(id, 'O', numbers(port, patience, downWindow, answersOnStream ? 1 : 0));
      const found = await Promise.race([outcome, violation.promise, isOver]);
      // It may be over by now: what opens it and what ends it can come at once.
      if (found === 'open') return stream.destroyed ? 'broken' : stream;
      open.delete(id);
      stream.destroy();
      return found;
    },
    isHeldBy(holders) {
      send(0, 'N', numbers(holders));
      if (holders > 0) return;
      exec.stdin.end();
      // The half-close must reach the relay before the connection goes, else its process stays until its lease is over.
      inTime(isOver, 1_000, undefined).then(() => exec.destroy());
    },
  };
}

type WriteDone = (error?: Error) => void;

/** One connection as a stream; no more is written than its window allows, and no more comes than is read. */
function connectionOf(
  id: number,
  send: (id: number, type: string, data?: Buffer) => void,
  told: Connection['told'],
  forget: () => void,
): Connection {
  let window = upWindow;
  let unread = 0;
  /** A write that waits until more may be on its way. */
  let waiting: { readonly rest: Buffer; readonly done: WriteDone } | undefined;
  const tellRead = () => {
    if (unread > 0) send(id, 'W', numbers(unread));
    unread = 0;
  };
  const write = (chunk: Buffer, done: WriteDone): void => {
    const most = Math.min(window, longestPiece, chunk.length);
    if (most > 0) {
      window -= most;
      send(id, 'D', chunk.subarray(0, most));
    }
    if (most === chunk.length) done();
    else if (window > 0) write(chunk.subarray(most), done);
    else waiting = { rest: chunk.subarray(most), done };
  };
  const stream = new Duplex({
    allowHalfOpen: false,
    read: tellRead,
    write: (chunk: Buffer, _encoding, done) => write(chunk, done),
    final(done) {
      send(id, 'E');
      done();
    },
    destroy(error, done) {
      forget();
      send(id, 'X');
      done(error);
    },
  });
  // Whoever dialled is told by the dial; who has the stream listens to it.
  stream.on('error', nothing);
  return {
    stream,
    told,
    received(data) {
      if (data.length > downWindow - unread) return false;
      unread += data.length;
      if (stream.push(data)) tellRead();
      return true;
    },
    mayWrite(bytes) {
      window += bytes;
      const next = waiting;
      waiting = undefined;
      if (next !== undefined) write(next.rest, next.done);
    },
    over() {
      stream.push(null);
      // Nobody takes what still waits; without a word it would keep the stream for ever.
      waiting?.done(Object.assign(new Error('the server ended the connection'), { code: 'ECONNRESET' }));
      waiting = undefined;
    },
  };
}

/** Cuts what the carrier writes into its frames, until `onFrame` says false; none is longer than a piece of data. */
function frameReader(
  onFrame: (id: number, type: string, data: Buffer) => boolean,
  onTooLong: () => void,
): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let at = 0;
    while (held.length - at >= 9) {
      const size = held.readUInt32BE(at + 5);
      if (size > longestPiece) return onTooLong();
      const end = at + 9 + size;
      if (held.length < end) break;
      if (!onFrame(held.readUInt32BE(at), String.fromCharCode(held.readUInt8(at + 4)), held.subarray(at + 9, end)))
        return;
      at = end;
    }
    held = held.subarray(at);
  };
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}

const nothing = () => {};
