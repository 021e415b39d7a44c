import type { ServerResponse } from 'node:http';
import type { Load } from '../access/limits.ts';
import { keepAliveMs, maxUnreadBytes } from '../messages/reply.ts';

/** Server-sent events to one browser. */
export type EventStream = {
  /** Writes an event. One that leaves too much unread is cut off. */
  readonly send: (message: { readonly event: string; readonly data: string; readonly id?: string }) => void;
  /** Resolves when what was written has been taken, or the stream is over. */
  readonly taken: () => Promise<void>;
  readonly end: () => void;
  /** Aborts when it is over, whoever ended it. */
  readonly over: AbortSignal;
};

/** Begins a stream of events. `load` counts what its principal has not read yet. */
export function beginEvents(response: ServerResponse, load: Load): EventStream {
  const over = new AbortController();
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    // What is in front (nginx) would collect a stream before it passes it on.
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const keepAlive = setInterval(() => {
    if (response.writableLength === 0) response.write(': still here\n\n');
  }, keepAliveMs);
  keepAlive.unref();
  const close = (): void => {
    clearInterval(keepAlive);
    over.abort();
  };
  response.on('error', () => {}).on('close', close);
  // Of a browser that left before that, `close` has been told, and is not told again.
  if (response.closed) close();
  return {
    send({ event, data, id }) {
      if (over.signal.aborted || response.writableEnded) return;
      // JSON has no raw newline; a line break in what is sent all the same would begin a field of its own.
      const text = `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data.replace(/[\r\n]+/g, ' ')}\n\n`;
      const bytes = Buffer.byteLength(text);
      if (response.writableLength > maxUnreadBytes || !load.add(bytes)) return void response.destroy();
      response.write(text, () => load.remove(bytes));
    },
    taken: () =>
      over.signal.aborted || !response.writableNeedDrain
        ? Promise.resolve()
        : new Promise((resolve) => {
            const go = (): void => {
              response.off('drain', go);
              over.signal.removeEventListener('abort', go);
              resolve();
            };
            response.once('drain', go);
            over.signal.addEventListener('abort', go, { once: true });
          }),
    end: () => void response.end(),
    over: over.signal,
  };
}

/**
 * Places for streams: so many of one principal, and so many in all. Nobody has more than are left, so that those who come
 * late find one where a few others hold many.
 */
export function createSeats({ each, all }: { readonly each: number; readonly all: number }): {
  /** Takes a place; what comes back gives it away again. Undefined where none is free. */
  readonly take: (principal: string) => (() => void) | undefined;
} {
  const taken = new Map<string, number>();
  const sum = (): number => [...taken.values()].reduce((total, count) => total + count, 0);
  return {
    take(principal) {
      const own = taken.get(principal) ?? 0;
      if (own >= Math.min(each, all - sum())) return undefined;
      taken.set(principal, own + 1);
      let isFree = false;
      return () => {
        if (isFree) return;
        isFree = true;
        const left = (taken.get(principal) ?? 1) - 1;
        if (left === 0) taken.delete(principal);
        else taken.set(principal, left);
      };
    },
  };
}
