import { isFailure } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import { asServerName, type ProjectName, type ServerName } from '../../model/ids.ts';
import type { PageToolUse } from '../../model/page/state.ts';
import { isoTime } from '../../model/times.ts';
import type { Ports } from '../ports.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Calls that are looked at, and how many tools are told. */
const mostCalls = 20_000;
const mostTools = 50;
/** How long what was read counts for now, ms. */
const freshMs = 5_000;

/** The calls of the last hour that were made from this machine. */
export type RecentCalls = {
  /** Those of a server in the minute before a moment; null where that is not known. */
  readonly perMinute: (server: ServerName, at: number) => number | null;
  /** By their calls, the most called first. */
  readonly tools: readonly PageToolUse[];
};

const unknownCalls: RecentCalls = { perMinute: () => null, tools: [] };

type Call = {
  readonly at: number;
  readonly server: ServerName;
  readonly tool: string;
  readonly failed: boolean;
  readonly ms: number | undefined;
};

/** How many of ascending numbers are at most a limit. */
function countUpTo(sorted: readonly number[], limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

const share = (sorted: readonly number[], part: number): number | null =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;

function toolsOf(calls: readonly Call[]): readonly PageToolUse[] {
  const groups = Map.groupBy(calls, ({ server, tool }) => JSON.stringify([server, tool]));
  return [...groups.values()]
    .flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const times = group.flatMap(({ ms }) => ms ?? []).sort((a, b) => a - b);
      return [
        {
          server: first.server,
          tool: first.tool,
          calls: group.length,
          failed: group.filter(({ failed }) => failed).length,
          medianMs: share(times, 0.5),
          p95Ms: share(times, 0.95),
        },
      ];
    })
    .sort((a, b) => b.calls - a.calls || (a.server + a.tool < b.server + b.tool ? -1 : 1))
    .slice(0, mostTools);
}

async function readCalls(ports: Pick<Ports, 'auditReader' | 'now'>, project: ProjectName): Promise<RecentCalls> {
  const since = ports.now() - hourMs;
  const calls: Call[] = [];
  /** Before it, not all calls were looked at. */
  let knownFrom = since - minuteMs;
  const query = { project, backTo: isoTime(knownFrom), newestFirst: true };
  for await (const { time, server, tool, result, durationMs: ms } of ports.auditReader.calls(query)) {
    if (result === 'refused') continue;
    const at = Date.parse(time);
    calls.push({ at, server: asServerName(server), tool, failed: result !== undefined && result !== 'ok', ms });
    if (calls.length < mostCalls) continue;
    knownFrom = at;
    break;
  }
  calls.reverse();
  const groups = Map.groupBy(calls, ({ server }) => server);
  const times = new Map([...groups].map(([server, own]) => [server, own.map(({ at }) => at)]));
  return {
    perMinute(server, at) {
      if (at - minuteMs < knownFrom) return null;
      const own = times.get(server) ?? [];
      return countUpTo(own, at) - countUpTo(own, at - minuteMs);
    },
    tools: toolsOf(calls.filter(({ at }) => at >= since)),
  };
}

/**
 * Reads the calls of the last hour when asked: not more often than every 5 s, except for those up to a later moment, `upTo`
 * on the monotonic clock, ms. A trail that cannot be read tells nothing; does not throw.
 */
export function recentCalls(
  ports: Pick<Ports, 'auditReader' | 'now' | 'monotonicMs' | 'warn'>,
  project: ProjectName,
): (upTo?: number) => Promise<RecentCalls> {
  let read: { readonly at: number; readonly calls: Promise<RecentCalls> } | undefined;
  return (upTo) => {
    const at = ports.monotonicMs();
    if (read !== undefined && at - read.at <= freshMs && read.at >= (upTo ?? read.at)) return read.calls;
    const calls = readCalls(ports, project).catch((error: unknown) => {
      // That a ledger cannot be read is seen on the page: calls are not known there.
      if (!isFailure(error, 'ledger-unreadable')) {
        ports.warn({ code: 'calls-unknown', message: `the page does not know the calls: ${messageOf(error)}` });
      }
      return unknownCalls;
    });
    read = { at, calls };
    return calls;
  };
}
