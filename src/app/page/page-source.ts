import { failureOf } from '../../model/failure.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { PageAudit, PageLogLine } from '../../model/page/past.ts';
import type { Policies } from '../../model/policy.ts';
import { isoTime } from '../../model/times.ts';
import { parseMoment } from '../../model/values/moment.ts';
import type { PageLogQuery, PageSource } from '../../serve/page/source.ts';
import { lifecycleEvents } from '../inspect/lifecycle-events.ts';
import type { ServerLogLine } from '../inspect/logs/log-source.ts';
import { openLogs } from '../inspect/logs/read-logs.ts';
import { readAudit, readChanges } from '../inspect/read-audit.ts';
import type { Ports } from '../ports.ts';
import type { LoopStatus } from '../watch/loop-record.ts';
import { actOn, approvePlan } from './act.ts';
import { type RecentCalls, recentCalls } from './calls.ts';
import { checkArguments } from './check-arguments.ts';
import { serverDetail } from './detail.ts';
import { createLook, type LookParts } from './look.ts';
import { newestSample, samplesOf } from './measured.ts';

/** How far back events are told to whoever begins to look, ms. */
const eventsMs = 3_600_000;
/** Longest line of a log that is told whole, characters. */
const longestLine = 8_192;

export type PageSourceParts = Omit<LookParts, 'calls' | 'loop'> & {
  /** Of the loop in the same program, where one runs. */
  readonly loop: LoopStatus | undefined;
  /** Throws what keeps them from being used. */
  readonly readPolicies: () => Promise<Policies>;
  /** Past generations that are kept, where looms.yaml says. */
  readonly keep: number | undefined;
  /** As `ApplyOptions` has them. */
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
  readonly atOnce: AbortSignal;
};

const asLogLine = ({ time, server, generation, stream, text, gone }: ServerLogLine): PageLogLine => ({
  ts: isoTime(time),
  server,
  generation,
  stream,
  text: text.length > longestLine ? `${text.slice(0, longestLine)}…` : text,
  gone: gone === true,
});

async function* logLines(
  ports: Ports,
  project: ProjectName,
  { servers, since, tail }: PageLogQuery,
  signal: AbortSignal,
): AsyncGenerator<PageLogLine | 'live'> {
  const { past, coming } = await openLogs(
    ports,
    {
      project,
      servers,
      streams: ['stdout', 'stderr'],
      follow: true,
      gone: true,
      ...(since === undefined ? {} : { since: parseMoment(since, 'since') }),
      ...(tail === undefined ? {} : { tail }),
    },
    signal,
  );
  for await (const line of past) yield asLogLine(line);
  yield 'live';
  for await (const line of coming) yield asLogLine(line);
}

async function readTrail(
  ports: Ports,
  project: ProjectName,
  servers: readonly ServerName[] | undefined,
  last: number,
): Promise<PageAudit> {
  const request = { project, last, ...(servers === undefined ? {} : { servers }) };
  const calls: PageAudit['calls'][number][] = [];
  for await (const call of readAudit(ports, request)) {
    const { time, server, generation, tool, user, host, result } = call;
    const { code = null, durationMs = null, argumentsBytes = null, resultBytes = null } = call;
    const principal = call.principal ?? `${user}@${host}`;
    calls.push({ time, server, generation, tool, principal, result, code, durationMs, argumentsBytes, resultBytes });
  }
  const changes: PageAudit['changes'][number][] = [];
  for await (const change of readChanges(ports, request)) {
    const { time, command, user, host, result, code = null, message = null, durationMs = null } = change;
    const principal = change.principal ?? `${user}@${host}`;
    const changed = (change.servers ?? []).map(({ server, action }) => ({ server, action }));
    const wanted = servers === undefined ? changed : changed.filter(({ server }) => servers.includes(server));
    changes.push({ time, command, principal, servers: wanted, result, code, message, durationMs });
  }
  return { calls: calls.reverse(), changes: changes.reverse() };
}

/** What the page of a gateway shows and does. `close` waits until what is under way has come to its end. */
export function createPageSource(
  ports: Ports,
  parts: PageSourceParts,
): PageSource & { readonly close: () => Promise<void> } {
  const { project, sampler, loop, stop, abort, atOnce } = parts;
  const signals = { stop, abort, atOnce };
  const calls = recentCalls(ports, project);
  const view = loop === undefined ? undefined : loop.view;
  const looking = { ...parts, calls, loop: view };
  const lookNow = createLook(ports, looking);
  const underWay = new Set<Promise<unknown>>();
  const during = <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work);
    return work.finally(() => underWay.delete(work));
  };
  /** Those that are known, whose measurements there may be, and the calls as they were read last. */
  let known: { readonly names: readonly ServerName[]; readonly calls: RecentCalls } | undefined;

  return {
    async look() {
      const found = await lookNow();
      known = { names: found.servers.map(({ name }) => name), calls: await calls() };
      return found;
    },
    samples: () => (known === undefined ? [] : samplesOf(sampler, known.names, known.calls, ports)),
    async watch({ onChange, onSample, onEvent }, signal) {
      const leave = sampler.want();
      const tellNewest = async (): Promise<void> => {
        // The minute before a measurement ends with it: calls that were read earlier are not all of that minute.
        const recent = await calls(ports.monotonicMs());
        if (known === undefined || signal.aborted) return;
        known = { ...known, calls: recent };
        const newest = newestSample(sampler, known.names, recent, ports);
        if (newest !== undefined) onSample(newest);
      };
      const off = [sampler.onLook(() => void tellNewest()), ...(loop === undefined ? [] : [loop.onChange(onChange)])];
      try {
        const request = { project, names: [], since: { agoMs: eventsMs }, follow: true };
        for await (const event of lifecycleEvents(ports, request, signal)) onEvent(event);
      } catch (error) {
        // Whoever looks sees that the engine is away; this is begun again.
        if (!signal.aborted)
          ports.warn({
            code: 'page-not-told',
            message: `the page hears of nothing for now: ${failureOf(error).message}`,
          });
      } finally {
        leave();
        for (const end of off) end();
      }
    },
    detail: (server) => serverDetail(ports, looking, server),
    log: (query, signal) => logLines(ports, project, query, signal),
    audit: (servers, limit) => readTrail(ports, project, servers, limit),
    checkArguments,
    act: (act, principal) =>
      during(
        parts
          .readPolicies()
          .then((policies) => actOn(ports, act, { project, policies, keep: parts.keep, principal, ...signals })),
      ),
    approve: (digest, principal) => during(approvePlan(ports, digest, { loop: view?.(), principal, ...signals })),
    mask: ports.mask,
    async close() {
      await Promise.allSettled(underWay);
    },
  };
}
