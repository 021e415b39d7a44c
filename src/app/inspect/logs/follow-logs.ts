import type { ContainerId } from '../../../model/ids.ts';
import type { LogSource, ServerLogLine } from './log-source.ts';

/** How often is looked for new containers of the servers, ms: a replacement gates its successor for longer than that. */
const lookEveryMs = 1000;

type FollowOptions = {
  /** Sources of all containers that there are now, the same one for a container each time; called again and again. */
  readonly look: () => Promise<readonly LogSource[]>;
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Ends it. */
  readonly signal: AbortSignal;
};

type Event =
  | { readonly kind: 'line'; readonly id: ContainerId; readonly line: ServerLogLine }
  | { readonly kind: 'ended'; readonly id: ContainerId }
  | { readonly kind: 'looked'; readonly sources: readonly LogSource[] }
  | { readonly kind: 'failed'; readonly error: unknown };

const failed = (error: unknown): Event => ({ kind: 'failed', error });

/**
 * Lines of several containers as they are written, until `signal` aborts. A container that stops is gone on with when it
 * runs again, and one that is new is read from its beginning: a replacement loses no line. Throws what reading throws.
 */
export async function* followLogs(
  known: readonly LogSource[],
  { look, pause, signal }: FollowOptions,
): AsyncGenerator<ServerLogLine> {
  const ending = new AbortController();
  const bound = AbortSignal.any([signal, ending.signal]);
  const open = new Map<ContainerId, AsyncGenerator<ServerLogLine>>();
  const pending = new Map<ContainerId | 'look', Promise<Event>>();
  const seen = new Set<ContainerId>();

  const ask = (id: ContainerId, lines: AsyncGenerator<ServerLogLine>): void => {
    const event = lines
      .next()
      .then(
        (result): Event => (result.done === true ? { kind: 'ended', id } : { kind: 'line', id, line: result.value }),
        failed,
      );
    pending.set(id, event);
  };
  const begin = ({ container, read }: LogSource): void => {
    const isNew = !seen.has(container.id);
    seen.add(container.id);
    // What does not run writes nothing; a new one may have ended before anyone looked.
    if (open.has(container.id) || !(isNew || container.status !== 'stopped')) return;
    const lines = read(true, bound);
    open.set(container.id, lines);
    ask(container.id, lines);
  };
  const lookAgain = (): void => {
    const looked = pause(lookEveryMs, bound)
      .then(look)
      .then((sources): Event => ({ kind: 'looked', sources }), failed);
    pending.set('look', looked);
  };

  for (const { container } of known) if (container.status === 'stopped') seen.add(container.id);
  for (const source of known) begin(source);
  lookAgain();
  try {
    while (!signal.aborted) {
      const event = await Promise.race(pending.values());
      if (signal.aborted) return;
      if (event.kind === 'failed') throw event.error;
      if (event.kind === 'looked') {
        for (const source of event.sources) begin(source);
        lookAgain();
        continue;
      }
      const lines = open.get(event.id);
      if (event.kind === 'ended' || lines === undefined) {
        open.delete(event.id);
        pending.delete(event.id);
        continue;
      }
      // Asked for before this one is taken, a fast writer would fill the memory of a slow reader.
      yield event.line;
      ask(event.id, lines);
    }
  } finally {
    ending.abort();
    await Promise.allSettled(pending.values());
  }
}
