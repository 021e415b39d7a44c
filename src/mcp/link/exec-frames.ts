import { LoomsError } from '../../model/errors.ts';
import type { ExecSession } from '../../orchestrator/session-host.ts';
import { createLineSplitter } from './line-splitter.ts';
import { type Frames, frameTooLong, type LinkOptions, type Message, maxFrameBytes } from './link.ts';

/** Longest stray line shown, characters. */
const maxStrayLength = 500;

/** Requests of a server that are handed on before what was answered is on its way. */
const requestsAtOnce = 32;
/** What a server may leave unread in all, bytes, before nothing more is sent to it: one that reads nothing must not cost memory. */
const maxUnsentBytes = 16 * 1024 * 1024;
/** Answers that a server may leave unread, bytes, before nothing more is read from it. */
const maxUnreadBytes = 1024 * 1024;

type ExecFrames = Frames & {
  /** Why the conversation cannot go on, when it is not simply that the process ended. */
  readonly fatal: () => LoomsError | undefined;
  /** Whether the other side ended first: what happens after our own `close` is no news. */
  readonly endedByPeer: () => boolean;
};

/**
 * JSON-RPC as newline-delimited JSON over the streams of a process in a container. Lines that are no JSON-RPC are
 * skipped and reported. A message beyond `maxFrameBytes` ends the connection: there is no way to tell whose answer it
 * was. `send` resolves when the stream can take more, so a slow server slows its client, and one that asks faster than it
 * reads what it is answered is not read meanwhile: its requests wait in its own pipe. `close` only half-closes: the end of
 * the process belongs to whoever started it (`startSessionProcess`).
 */
export function createExecFrames(
  process: ExecSession,
  { onStray, onText }: Pick<LinkOptions, 'onStray' | 'onText'>,
  frameLimit: number = maxFrameBytes,
): ExecFrames {
  const splitter = createLineSplitter(frameLimit);
  let closed = false;
  let endedByPeer = false;
  let fatal: LoomsError | undefined;
  let writeFailure: Error | undefined;

  let queue: { readonly message: Message; readonly text: string }[] = [];
  let head = 0;
  let isHeld = false;
  let turnIsOver = true;
  let requests = 0;
  let unreadBytes = 0;

  /** Nothing more is handed on until the next turn, and not before the server has read what it was answered. */
  const hold = () => {
    isHeld = true;
    turnIsOver = false;
    setImmediate(() => {
      turnIsOver = true;
      release();
    });
  };
  const release = () => {
    if (!isHeld || !turnIsOver || (unreadBytes > maxUnreadBytes && !closed && !endedByPeer)) return;
    isHeld = false;
    requests = 0;
    pump();
    if (!isHeld) process.stdout.resume();
  };

  const finish = () => {
    if (closed) return;
    closed = true;
    queue = [];
    head = 0;
    process.stdout.resume();
    frames.onclose?.();
  };

  // The SDK hands a notification on a moment later than an answer, and forgets a call's progress with its answer. So what
  // follows a progress notification waits for that moment, else a call's last steps would be lost.
  const pump = () => {
    while (!isHeld) {
      const next = queue[head];
      if (next === undefined) break;
      const { message, text } = next;
      head += 1;
      frames.onmessage?.(message);
      frames.ontext?.(text, message);
      if ('method' in message && 'id' in message) requests += 1;
      if (isProgress(message) || requests === requestsAtOnce) hold();
    }
    if (isHeld) {
      process.stdout.pause();
      return;
    }
    queue = [];
    head = 0;
    // What was not read yet while something was held came before the end as well.
    if (endedByPeer && process.stdout.readableLength === 0) finish();
  };

  /** What was sent before the end is still delivered. */
  const peerEnded = () => {
    if (closed) return;
    endedByPeer = true;
    if (isHeld) release();
    else pump();
  };

  const stray = (line: Buffer | string) => {
    const text = line.toString().trim();
    if (text !== '') onStray(text.length > maxStrayLength ? `${text.slice(0, maxStrayLength)}…` : text);
  };

  const enqueue = (line: Buffer) => {
    const text = line
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trim();
    const messages = parseMessages(text);
    if (messages === undefined) return stray(line);
    onText(text);
    queue.push(...messages);
  };

  const onData = (chunk: Buffer) => {
    if (closed) return;
    const { lines, overflow } = splitter.push(chunk);
    for (const line of lines) enqueue(line);
    pump();
    if (!overflow) return;
    fatal = frameTooLong(frameLimit);
    frames.onerror?.(fatal);
    // The rest is read and thrown away, so that the process is not stuck writing while it is being ended.
    finish();
  };

  const frames: ExecFrames & { readonly stderr: null; readonly pid: null } = {
    // The SDK tells a pipe from a network peer by these two properties: on a pipe, a probe that stays without an answer
    // means an older server and not an outage.
    stderr: null,
    pid: null,
    fatal: () => fatal,
    endedByPeer: () => endedByPeer,
    async start() {
      process.stdin.on('error', (error) => {
        writeFailure = error;
      });
      process.stdout.on('data', onData);
      process.stdout.on('error', peerEnded);
      process.stdout.on('end', () => {
        if (!closed) stray(splitter.rest());
        peerEnded();
      });
      process.stdout.on('close', peerEnded);
      process.ended.then(peerEnded, peerEnded);
    },
    send: (message: Message) => frames.sendText(JSON.stringify(message), message),
    async sendText(text: string, message: Message) {
      if (closed || writeFailure !== undefined || process.stdin.writableEnded) {
        throw new LoomsError('server-exited', 'the server does not read its input any more', { cause: writeFailure });
      }
      if (process.stdin.writableLength > maxUnsentBytes) {
        throw new LoomsError('server-crowded', 'the server does not read what it was sent before');
      }
      // Between the values of a JSON text a newline is a space; inside of them it is written as an escape.
      const line = Buffer.from(`${text.replace(/[\r\n]+/g, ' ')}\n`);
      const isAnswer = !('method' in message);
      if (isAnswer) unreadBytes += line.length;
      const taken = () => {
        if (!isAnswer) return;
        unreadBytes -= line.length;
        release();
      };
      // An answer is waited for by what is handed on after it, and by nobody else.
      if (!process.stdin.write(line, taken) && !isAnswer) await drained(process.stdin);
    },
    async close() {
      process.stdin.end();
      finish();
    },
  };
  return frames;
}

const draining = new WeakMap<NodeJS.WritableStream, Promise<void>>();

/** Resolves when the stream takes more, or will never do so again; one wait for all who wait, however many. */
function drained(stream: NodeJS.WritableStream): Promise<void> {
  const known = draining.get(stream);
  if (known !== undefined) return known;
  const wait = new Promise<void>((resolve) => {
    const done = () => {
      for (const event of ['drain', 'close', 'error']) stream.removeListener(event, done);
      draining.delete(stream);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.on(event, done);
  });
  draining.set(stream, wait);
  return wait;
}

/** The JSON-RPC messages of one line (2025-03-26 allows a batch), or undefined when it holds something else. */
function parseMessages(text: string): { readonly message: Message; readonly text: string }[] | undefined {
  if (!text.startsWith('{') && !text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isMessage(value)) return [{ message: value, text }];
    if (!Array.isArray(value) || value.length === 0 || !value.every(isMessage)) return undefined;
    // Of a batch nobody has the text of one message alone; what is nested too deeply cannot be written.
    return value.map((message) => ({ message, text: JSON.stringify(message) }));
  } catch {
    return undefined; // Reported as a stray line by the caller.
  }
}

const isProgress = (message: Message): boolean => 'method' in message && message.method === 'notifications/progress';

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'jsonrpc' in value && value.jsonrpc === '2.0';
}
