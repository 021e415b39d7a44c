import type { ServerResponse } from 'node:http';
import type { Load } from '../access/limits.ts';

/** How often something is written on a stream that is silent, ms: what lies between cuts an idle one after a minute. */
export const keepAliveMs = 15_000;
/** What a client may leave unread before its stream is cut, bytes: a slow one costs nobody else memory. */
export const maxUnreadBytes = 4 * 1024 * 1024;
/** What it may leave unread before it is told nothing more than answers, bytes: a server that floods it does not cost it those. */
const maxUntoldBytes = 1024 * 1024;

/** What goes back on one request of a client: one JSON text, or a stream once something comes before the answer. */
export type Reply = {
  /** A message before the answer; false when nobody reads it any more. */
  readonly tell: (text: string) => boolean;
  /** The answer, which ends it. `status` counts where no stream was begun, and so does the scope that was wanting. */
  readonly answer: (text: string, status?: number, scope?: readonly string[]) => void;
  /** Begins the stream now: for one that has no answer, or a late one. */
  readonly begin: () => void;
  /** Ends a stream without an answer. */
  readonly end: () => void;
  readonly isOpen: () => boolean;
  /** Called when the client went away before the end. */
  onleft?: (() => void) | undefined;
};

/** What goes back on a request that no client waits for over HTTP: some of it is heard, the rest is for nobody. */
export const replyTo = (some: Partial<Reply>): Reply => ({
  tell: () => true,
  answer: nothing,
  begin: nothing,
  end: nothing,
  isOpen: () => true,
  ...some,
});

const nothing = (): void => {};

/** One that may go on as a stream after an answer. */
export type Stream = Reply & {
  /** What must not be left out, however much is unread; false when nobody reads it any more. */
  readonly push: (text: string) => boolean;
};

type ReplyOptions = {
  /** What `WWW-Authenticate` says beside a scope that was wanting. */
  readonly challenge?: string;
  /** Counts what is not read yet. */
  readonly load: Load;
  /** By which a client that lost the stream comes back for the rest; absent where there is nothing to come back to. */
  readonly stream?: {
    readonly id: () => string;
    /** Whether its client takes an event without a message, which tells it the id before anything else (2025-11-25). */
    readonly isPrimed: boolean;
  };
};

/** A reply on this response; one whose client has left already is not open, and `onleft` is not called any more. */
export function createReply(response: ServerResponse, { challenge, load, stream }: ReplyOptions): Stream {
  let isOver = false;
  let streamId: string | undefined;
  const begin = (): void => {
    if (isOver || response.headersSent) return;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      // What is in front (nginx) would collect a stream before it passes it on.
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    streamId = stream?.id();
    if (stream?.isPrimed) response.write(`id: ${streamId}\ndata: \n\n`);
  };
  const push = (text: string): boolean => {
    begin();
    if (isOver) return false;
    const bytes = Buffer.byteLength(text);
    if (response.writableLength > maxUnreadBytes || !load.add(bytes)) {
      response.destroy();
      return false;
    }
    const id = streamId === undefined ? '' : `id: ${streamId}\n`;
    response.write(`event: message\n${id}data: ${text.replace(/[\r\n]+/g, ' ')}\n\n`, () => load.remove(bytes));
    return true;
  };
  const keepAlive = setInterval(() => {
    begin();
    if (!isOver && response.writableLength === 0) response.write(': still here\n\n');
  }, keepAliveMs);
  keepAlive.unref();
  const reply: Stream = {
    tell: (text) => !isOver && response.writableLength <= maxUntoldBytes && push(text),
    push,
    answer(text, status = 200, scope) {
      if (isOver) return;
      if (response.headersSent) {
        push(text);
        return reply.end();
      }
      isOver = true;
      if (!load.add(Buffer.byteLength(text))) return void response.destroy();
      if (scope !== undefined && challenge !== undefined) {
        const wanting = `error="insufficient_scope", scope="${scope.map(plainScope).join(' ')}"`;
        response.setHeader('www-authenticate', [challenge, wanting].join(', '));
      }
      sendJson(response, status, text);
    },
    begin,
    end() {
      if (isOver) return;
      begin();
      isOver = true;
      response.end();
    },
    isOpen: () => !isOver,
  };
  response.on('error', () => {});
  const gone = (): void => {
    clearInterval(keepAlive);
    const left = !isOver;
    isOver = true;
    if (left) reply.onleft?.();
  };
  response.on('close', gone);
  // Its client may have left while what it wants was begun, and that is told once.
  if (response.closed) gone();
  return reply;
}

/** Sends a whole answer. With its length it goes out as one piece, without it as two chunks. */
export function sendJson(response: ServerResponse, status: number, text: string): void {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, headers).end(text);
}

/** A scope as a header takes it (RFC 6749, 3.3); the body has it as it is. */
const plainScope = (scope: string): string => scope.slice(0, 200).replaceAll(/[^!#-[\]-~]/g, '?');
