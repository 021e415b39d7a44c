import type { ServerResponse } from 'node:http';

/** How often something is written on a stream that is silent, ms: what lies between cuts an idle one after a minute. */
const keepAliveMs = 15_000;
/** What a client may leave unread before its stream is cut, bytes: a slow one costs nobody else memory. */
const maxUnreadBytes = 4 * 1024 * 1024;

/** What goes back on one request of a client: one JSON text, or a stream once something comes before the answer. */
export type Reply = {
  /** A message before the answer; false when nobody reads it any more. */
  readonly tell: (text: string) => boolean;
  /** The answer, which ends it. `status` counts where no stream was begun. */
  readonly answer: (text: string, status?: number) => void;
  /** Begins the stream now: for one that has no answer, or a late one. */
  readonly begin: () => void;
  /** Ends a stream without an answer. */
  readonly end: () => void;
  readonly isOpen: () => boolean;
  /** Called when the client went away before the end. */
  onleft?: (() => void) | undefined;
};

export function createReply(response: ServerResponse, headers: Readonly<Record<string, string>> = {}): Reply {
  let isOver = false;
  const begin = (): void => {
    if (isOver || response.headersSent) return;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      // What is in front (nginx) would collect a stream before it passes it on.
      'x-accel-buffering': 'no',
      ...headers,
    });
    response.flushHeaders();
  };
  const event = (text: string): boolean => {
    begin();
    if (isOver) return false;
    if (response.writableLength > maxUnreadBytes) {
      response.destroy();
      return false;
    }
    response.write(`event: message\ndata: ${text.replace(/[\r\n]+/g, ' ')}\n\n`);
    return true;
  };
  const keepAlive = setInterval(() => {
    begin();
    if (!isOver && response.writableLength === 0) response.write(': still here\n\n');
  }, keepAliveMs);
  keepAlive.unref();
  const reply: Reply = {
    tell: (text) => !isOver && event(text),
    answer(text, status = 200) {
      if (isOver) return;
      if (response.headersSent) {
        event(text);
        return reply.end();
      }
      isOver = true;
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
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
  response.on('close', () => {
    clearInterval(keepAlive);
    const left = !isOver;
    isOver = true;
    if (left) reply.onleft?.();
  });
  return reply;
}
