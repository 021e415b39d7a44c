import type { ContainerId, ServerName } from '../../model/ids.ts';
import { readTraceLine, saysTrace, type TraceLine } from '../../model/trail/trace-line.ts';
import { idsOf, type TraceContext, type Tracing } from '../../model/trail/tracing.ts';
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

function tell(tracing: Tracing, { server }: Of, work: TraceLine, parent: TraceContext | undefined): void {
  tracing.add({
    name: work.name,
    kind: 'internal',
    parent,
    startMs: work.startMs,
    endMs: work.endMs,
    failed: work.failed ? '_OTHER' : undefined,
    attributes: { ...work.attributes, 'looms.server': server },
  });
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
  for await (const work of workIn(ports, of, query, AbortSignal.timeout(readMs))) {
    if (work.trace === trace) tell(tracing, of, work, parent);
  }
}

type Call = { readonly within: TraceContext; readonly startMs: number; endMs: number };
type Followed = { users: number; readonly calls: Set<Call>; readonly stop: AbortController };

/** The work that servers write of while calls are made. */
export type WorkFollower = {
  /** Listens to a container until what comes back is called. */
  readonly opened: (of: Of) => () => void;
  /** Makes a call, of which lines that come meanwhile are parts. */
  readonly during: <T>(container: ContainerId, within: TraceContext | undefined, make: () => Promise<T>) => Promise<T>;
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
  const begin = async (of: Of, { calls, stop }: Followed): Promise<void> => {
    while (!stop.signal.aborted) {
      const query = { since: { at: ports.now() }, follow: true };
      for await (const work of workIn(ports, of, query, stop.signal)) {
        // One that was told its trace is part of a call that somebody else makes, and tells of.
        if (work.trace === undefined) tell(tracing, of, work, callOf(work, calls)?.within);
      }
      await ports.pause(againMs, stop.signal);
    }
  };
  return {
    opened(of) {
      const known = followed.get(of.container);
      const one = known ?? { users: 0, calls: new Set<Call>(), stop: new AbortController() };
      followed.set(of.container, one);
      one.users += 1;
      if (known === undefined) begin(of, one);
      let isLeft = false;
      return () => {
        if (isLeft) return;
        isLeft = true;
        one.users -= 1;
        if (one.users > 0) return;
        followed.delete(of.container);
        one.stop.abort();
      };
    },
    async during(container, within, make) {
      const calls = followed.get(container)?.calls;
      if (within === undefined || calls === undefined) return make();
      const call: Call = { within, startMs: ports.now(), endMs: Number.POSITIVE_INFINITY };
      calls.add(call);
      try {
        return await make();
      } finally {
        call.endMs = ports.now();
        setTimeout(() => calls.delete(call), lateMs).unref();
      }
    },
  };
}
