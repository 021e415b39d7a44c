import type { ContainerId, ServerName } from '../../model/ids.ts';
import { readTraceLine, saysTrace, type TraceLine } from '../../model/trail/trace-line.ts';
import { idsOf, type TraceContext, type Tracing, withSpan } from '../../model/trail/tracing.ts';
import { sha256 } from '../../model/values/sha256.ts';
import type { LogQuery } from '../../orchestrator/session-host.ts';
import type { Ports } from '../ports.ts';

type Of = { readonly server: ServerName; readonly container: ContainerId };

/** How long the engine may take to read a log once, ms: spans are not worth waiting for. */
const readMs = 2_000;
/** Most lines of a log that are looked at for one call, from its end. */
const mostLines = 2_000;
/** How long after its end a call may still be what a line is about, ms: lines come by way of the engine. */
const lateMs = 2_000;
/** How far the clocks of a server and of this program may be apart, ms. */
const skewMs = 1_000;
/** After how long a log that could not be read any more is followed again, ms. */
const againMs = 5_000;

/** Pieces of its own work that a server writes to its log, as a query asks for it. Ends where the log cannot be read. */
async function* workIn(ports: Ports, { container }: Of, query: Omit<LogQuery, 'streams'>, signal: AbortSignal) {
  try {
    const { sessions } = await ports.orchestrator();
    for await (const { text } of sessions.readLog(container, { ...query, streams: ['stderr'] }, { signal })) {
      if (!saysTrace(text)) continue;
      // Masked as it stands: what is cut or taken apart no longer looks like the secret.
      const work = readTraceLine(ports.mask(text));
      if (work !== undefined) yield work;
    }
  } catch {
    // What cannot be read is not told: no call fails for a span.
  }
}

/**
 * The id in a trace of what a server calls so in this part of it: its words are neither of that form nor its alone, and
 * may be the same in each call.
 */
const spanId = ({ container }: Of, within: TraceContext | undefined, said: string): string => {
  const place = within === undefined ? '' : idsOf(within).span;
  return sha256(`${container} ${place} ${said}`).slice(0, 16);
};

/** Whether a piece says of itself, by however many others, that it is within itself. */
function isWithinItself({ span, parent }: TraceLine, parents: ReadonlyMap<unknown, string | undefined>): boolean {
  const seen = new Set<string>();
  for (let at = parent; at !== undefined && !seen.has(at); at = parents.get(at)) {
    if (at === span) return true;
    seen.add(at);
  }
  return false;
}

/** Tells of pieces of work: one is part of another of them where it says so, else of `parent`. */
function tell(tracing: Tracing, of: Of, pieces: readonly TraceLine[], parent: TraceContext | undefined): void {
  const parents = new Map(pieces.map(({ span, parent: said }) => [span, said]));
  const parentOf = (work: TraceLine): TraceContext | undefined => {
    const { parent: said } = work;
    if (parent === undefined || said === undefined || !parents.has(said) || isWithinItself(work, parents))
      return parent;
    return withSpan(parent, spanId(of, parent, said));
  };
  for (const work of pieces) {
    tracing.add({
      name: work.name,
      kind: 'internal',
      parent: parentOf(work),
      startMs: work.startMs,
      endMs: work.endMs,
      ...(work.span === undefined ? {} : { id: spanId(of, parent, work.span) }),
      failed: work.failed ? '_OTHER' : undefined,
      attributes: { ...work.attributes, 'looms.server': of.server },
    });
  }
}

/**
 * Tells of the work that the process of one session wrote of since `since` (ms since 1970), as parts of a call of that
 * session: the process was told its trace, so the lines of others in the same log are known. Does not throw.
 */
export async function tellWorkSince(
  ports: Ports,
  of: Of,
  { since, parent }: { readonly since: number; readonly parent: TraceContext },
): Promise<void> {
  const tracing = await ports.tracing();
  const query = { since: { at: since }, tail: mostLines, follow: false };
  const { trace } = idsOf(parent);
  const pieces: TraceLine[] = [];
  for await (const work of workIn(ports, of, query, AbortSignal.timeout(readMs))) {
    if (work.trace === trace) pieces.push(work);
  }
  tell(tracing, of, pieces, parent);
}

type Call = {
  /** The span that its work is part of, as far as it is known. */
  readonly within: () => TraceContext;
  readonly startMs: number;
  endMs: number;
  /** What came of its work so far: a piece is written when it ends, so the ones within it come before it. */
  readonly pieces: TraceLine[];
};
type Followed = { readonly of: Of; users: number; readonly calls: Set<Call>; readonly stop: AbortController };

/** The work that servers write of while calls are made. */
export type WorkFollower = {
  /** Listens to a container until what comes back is called. */
  readonly opened: (of: Of) => () => void;
  /** Makes a call, of which lines that come meanwhile are parts. */
  readonly during: <T>(
    container: ContainerId,
    within: (() => TraceContext) | undefined,
    make: () => Promise<T>,
  ) => Promise<T>;
};

/** The one call that a line can be about; undefined where that cannot be told. */
function callOf(work: TraceLine, calls: ReadonlySet<Call>): Call | undefined {
  const now = [...calls];
  const around = now.filter(({ startMs, endMs }) => startMs <= work.startMs && work.startMs <= endMs);
  const begun = now.filter(({ startMs }) => startMs - skewMs <= work.startMs);
  const [one, ...more] = around.length === 0 ? begun : around;
  return more.length === 0 ? one : undefined;
}

/** Follows the logs of containers that a long-lived program has sessions with. */
export function followWork(ports: Ports, tracing: Tracing): WorkFollower {
  const followed = new Map<ContainerId, Followed>();
  /** Tells of what a call's work came to, once. */
  const finish = ({ of, calls }: Followed, call: Call): void => {
    if (calls.delete(call)) tell(tracing, of, call.pieces, call.within());
  };
  const begin = async ({ of, calls, stop }: Followed): Promise<void> => {
    while (!stop.signal.aborted) {
      const query = { since: { at: ports.now() }, follow: true };
      for await (const work of workIn(ports, of, query, stop.signal)) {
        // One that was told its trace is part of a call that somebody else makes, and tells of.
        if (work.trace !== undefined) continue;
        const call = callOf(work, calls);
        if (call === undefined || call.pieces.length >= mostLines) tell(tracing, of, [work], call?.within());
        else call.pieces.push(work);
      }
      await ports.pause(againMs, stop.signal);
    }
  };
  return {
    opened(of) {
      const known = followed.get(of.container);
      const one = known ?? { of, users: 0, calls: new Set<Call>(), stop: new AbortController() };
      followed.set(of.container, one);
      one.users += 1;
      if (known === undefined) begin(one);
      let isLeft = false;
      return () => {
        if (isLeft) return;
        isLeft = true;
        one.users -= 1;
        if (one.users > 0) return;
        followed.delete(of.container);
        one.stop.abort();
        for (const call of one.calls) finish(one, call);
      };
    },
    async during(container, within, make) {
      const one = followed.get(container);
      if (within === undefined || one === undefined) return make();
      const call: Call = { within, startMs: ports.now(), endMs: Number.POSITIVE_INFINITY, pieces: [] };
      one.calls.add(call);
      try {
        return await make();
      } finally {
        call.endMs = ports.now();
        setTimeout(() => finish(one, call), lateMs).unref();
      }
    },
  };
}
