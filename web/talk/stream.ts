import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { messageOf } from '../../src/model/failure.ts';
import { type Gateway, type Refusal, refusalOf } from './request.ts';

/** How a stream is doing. */
export type StreamState =
  | { readonly is: 'opening' }
  | { readonly is: 'open' }
  /** The gateway was not reached; it is asked again at `until` (ms since the epoch). */
  | { readonly is: 'waiting'; readonly until: number }
  /** Nobody looks: it is opened again when somebody does. */
  | { readonly is: 'resting' }
  /** It has said all, or will not say it: asking again would not help. */
  | { readonly is: 'over'; readonly refusal?: Refusal };

export type StreamHooks = {
  readonly event: (message: EventSourceMessage) => void;
  readonly state: (state: StreamState) => void;
};

/** Waits between attempts, ms: doubling from the first to the last. */
const firstWaitMs = 1_000;
const longestWaitMs = 30_000;
/** How long the page may be out of sight until its streams are closed, ms. */
const hiddenMs = 60_000;

/**
 * Follows a stream of the gateway until the signal aborts: begins again behind the last event where it breaks, rests while
 * the page is out of sight for longer than a minute, and ends where the gateway refuses it. What `event` throws ends it too:
 * that is told as a state and thrown.
 */
export async function followStream(
  { open }: Gateway,
  path: string,
  { event, state }: StreamHooks,
  signal: AbortSignal,
): Promise<void> {
  let after: string | undefined;
  let waitMs = firstWaitMs;
  while (!signal.aborted) {
    if (document.hidden) {
      state({ is: 'resting' });
      await untilSeen(signal);
      continue;
    }
    state({ is: 'opening' });
    const sight = inSight(signal);
    try {
      const response = await orLost(open(path, after, sight.signal));
      if (response?.ok && response.body !== null) {
        state({ is: 'open' });
        waitMs = firstWaitMs;
        const parser = createParser({
          onEvent: (message) => {
            after = message.id ?? after;
            event(message);
          },
        });
        await feed(response.body.pipeThrough(new TextDecoderStream()), (text) => parser.feed(text));
      } else if (response !== undefined) {
        const text = await orLost(response.text());
        // Too many streams, or a gateway that is on its way down: later there may be room.
        if (text !== undefined && response.status < 500 && response.status !== 429) {
          return state({ is: 'over', refusal: refusalOf(response.status, text) });
        }
      }
    } catch (error) {
      const hint = 'load the page again';
      const message = `what the gateway told cannot be shown: ${messageOf(error)}`;
      state({ is: 'over', refusal: { status: 0, code: 'page-failed', message, hint } });
      throw error;
    } finally {
      sight.end();
    }
    if (sight.signal.aborted) continue;
    state({ is: 'waiting', until: Date.now() + waitMs });
    await waitFor(waitMs, signal);
    waitMs = Math.min(longestWaitMs, waitMs * 2);
  }
}

/** What a connection gives; undefined where it is lost, or was never there. */
const orLost = <T>(given: Promise<T>): Promise<T | undefined> => given.catch(() => undefined);

/** Hands on what a stream gives until it ends or its connection is lost. Throws what `take` throws, and ends the stream. */
async function feed(stream: ReadableStream<string>, take: (text: string) => void): Promise<void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const read = await orLost(reader.read());
      if (read === undefined || read.done) return;
      take(read.value);
    }
  } finally {
    void orLost(reader.cancel());
  }
}

/** A signal that aborts with `outer`, and when the page has been out of sight for a minute. */
function inSight(outer: AbortSignal): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const abort = (): void => controller.abort();
  const changed = (): void => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(abort, hiddenMs);
  };
  document.addEventListener('visibilitychange', changed);
  outer.addEventListener('abort', abort);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', changed);
      outer.removeEventListener('abort', abort);
    },
  };
}

const untilSeen = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    document.addEventListener('visibilitychange', done);
    signal.addEventListener('abort', done);
    done();
  });

const waitFor = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
