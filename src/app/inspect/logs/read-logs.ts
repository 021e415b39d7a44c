import { withHint } from '../../../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../../../model/ids.ts';
import { serverMissing } from '../../../model/server-not-found.ts';
import type { ServerContainer } from '../../../model/server-view.ts';
import type { LoggedContainer } from '../../../model/trail/kept-logs.ts';
import { readTraceLine } from '../../../model/trail/trace-line.ts';
import { defined } from '../../../model/values/defined.ts';
import type { LogMoment, LogQuery } from '../../../orchestrator/session-host.ts';
import type { Ports } from '../../ports.ts';
import { knowSecrets } from '../../talk/know-secrets.ts';
import { withoutLedger } from '../read-kept.ts';
import { followLogs } from './follow-logs.ts';
import { type LogSource, logSource, type ServerLogLine } from './log-source.ts';

/** `tail` is of each container; `follow` goes on until the signal aborts, across stops and replacements. */
export type LogRequest = LogQuery & {
  readonly project: ProjectName;
  /** Empty: all servers of the project. */
  readonly servers: readonly ServerName[];
  /** Only lines in which this is found. */
  readonly pattern?: { readonly test: (line: string) => boolean };
  /** Without loom's trace lines, or only these; absent: all lines. */
  readonly traces?: 'hide' | 'only';
  /** Also what this machine kept of containers that are gone. */
  readonly gone?: boolean;
};

type OpenLogs = {
  /** Whose logs these are now, sorted. */
  readonly servers: readonly ServerName[];
  /**
   * Merged by time: what is there, and with `follow` what comes. Throws `interrupted` when the signal aborts before
   * everything that is there was read, and what the engine throws.
   */
  readonly lines: AsyncIterable<ServerLogLine>;
  /** The same in two parts, of which the second is begun when the first was read to its end. */
  readonly past: AsyncIterable<ServerLogLine>;
  readonly coming: AsyncIterable<ServerLogLine>;
};

/** Of the servers that are asked for those that are there and have no container: on a cluster, stopped or asleep. */
async function withoutContainers(
  ports: Ports,
  { project, servers: names }: LogRequest,
  located: readonly ServerContainer[],
  signal: AbortSignal,
): Promise<readonly ServerName[]> {
  const missing = names.filter((name) => !located.some(({ server }) => server === name));
  const orchestrator = await ports.orchestrator();
  // Where nothing scales, a server is its container.
  if (missing.length === 0 || !orchestrator.scales) return [];
  const { servers } = await orchestrator.servers(project, { signal, names: missing });
  return servers.map(({ name }) => name);
}

/** Opens the logs of servers, read as they are taken. Throws what `serverMissing` makes, and what the engine throws. */
export async function openLogs(ports: Ports, request: LogRequest, signal: AbortSignal): Promise<OpenLogs> {
  const { describe, instances, sessions } = await ports.orchestrator();
  const located = await instances(request.project, { signal });
  const kept = (): Promise<readonly LoggedContainer[]> => goneContainers(ports, request.project, located, signal);
  const bare = await withoutContainers(ports, request, located, signal);
  // Of what has none just now, all there is to be shown is what was kept.
  const gone =
    request.gone === true
      ? await kept()
      : bare.length === 0
        ? []
        : (await kept()).filter(({ server }) => bare.includes(server));
  const names = [...new Set([...bare, ...[...located, ...gone].map(({ server }) => server)])].sort();
  const unknown = request.servers.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const isKept = request.gone !== true && (await kept()).some(({ server }) => server === unknown);
    const missing = serverMissing(await describe({ signal }), request.project, unknown, names);
    throw isKept
      ? withHint(missing, `\`looms logs ${unknown} --previous\` shows what this machine kept of it`)
      : missing;
  }

  const isWanted = ({ server }: { readonly server: ServerName }): boolean =>
    request.servers.length === 0 || request.servers.includes(server);
  const { streams, since, until, tail } = request;
  const first = {
    streams,
    ...defined({ since, until, tail }),
  };
  const sources = new Map<ContainerId, LogSource>();
  const open = async (one: ServerContainer, from: typeof first): Promise<LogSource> => {
    const { recorded, foreignRecord, secretPrints } = one;
    const made = { project: request.project, foreignRecord, secretPrints };
    if (recorded !== undefined) await knowSecrets(ports, recorded.spec, made);
    const source = logSource(sessions, one, from);
    sources.set(one.id, source);
    return source;
  };
  for (const one of located.filter(isWanted)) await open(one, first);
  const look = async (): Promise<readonly LogSource[]> => {
    const now = (await instances(request.project, { signal })).filter(isWanted);
    const result: LogSource[] = [];
    for (const one of now) {
      // What is new is read whole: all of it came after we began.
      const source = sources.get(one.id) ?? (await open(one, { streams }));
      result.push({ ...source, container: one });
    }
    return result;
  };

  const known = [...sources.values()];
  const sifted = (all: AsyncIterable<ServerLogLine>): AsyncIterable<ServerLogLine> =>
    request.pattern === undefined && request.traces === undefined ? all : matching(all, request);
  const past = (): AsyncIterable<ServerLogLine> =>
    mergeByTime([
      ...gone.filter(isWanted).map((one) => keptLines(ports, one, request)),
      ...known.map(({ read }) => read(false, signal)),
    ]);
  const coming = async function* (): AsyncGenerator<ServerLogLine> {
    if (request.follow) yield* followLogs(known, { look, pause: ports.pause, signal });
  };
  const parts = { past: sifted(past()), coming: sifted(coming()) };
  const both = async function* (): AsyncGenerator<ServerLogLine> {
    yield* parts.past;
    yield* parts.coming;
  };
  return {
    servers: names.filter((name) => request.servers.length === 0 || request.servers.includes(name)),
    lines: both(),
    ...parts,
  };
}

async function* matching(
  lines: AsyncIterable<ServerLogLine>,
  { pattern, traces }: LogRequest,
): AsyncGenerator<ServerLogLine> {
  for await (const line of lines) {
    if (traces !== undefined && (readTraceLine(line.text) === undefined) === (traces === 'only')) continue;
    if (pattern === undefined || pattern.test(line.text)) yield line;
  }
}

/** Containers that are not there any more, of whose log something is kept. What cannot be read is warned of. */
async function goneContainers(
  ports: Ports,
  project: ProjectName,
  there: readonly ServerContainer[],
  signal: AbortSignal,
): Promise<readonly LoggedContainer[]> {
  const { id: engine } = await (await ports.orchestrator()).describe({ signal });
  const what = 'what was kept of generations that are gone is not searched';
  const unread = withoutLedger(ports, 'kept-logs-unknown', what, []);
  const kept = await ports.keptLogs.containers({ engine, project }).catch(unread);
  const known = new Set(there.map(({ id }) => id));
  return kept.filter(({ container }) => !known.has(container));
}

/** The kept lines that a request asks for. A moment that is said as so long ago is counted on this machine's clock. */
async function* keptLines(
  ports: Ports,
  of: LoggedContainer,
  { streams, since, until, tail }: LogRequest,
): AsyncGenerator<ServerLogLine> {
  const moment = (one: LogMoment): number => ('at' in one ? one.at : ports.now() - one.agoMs);
  const query = {
    streams,
    ...(since === undefined ? {} : { since: moment(since) }),
    ...(until === undefined ? {} : { until: moment(until) }),
    ...(tail === undefined ? {} : { tail }),
  };
  for await (const line of ports.keptLogs.lines(of.container, query)) yield { ...line, ...of, gone: true };
}

/** Anything with a place in time, ms. */
type Timed = { readonly time: number };

/** Merges sequences by time; each keeps its order, the earlier goes first. Of each, one item is held at a time. */
export async function* mergeByTime<T extends Timed>(sequences: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sequences.map((sequence) => sequence[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      let first: { readonly index: number; readonly value: T } | undefined;
      for (const [index, head] of heads.entries()) {
        if (head.done === true || (first !== undefined && first.value.time <= head.value.time)) continue;
        first = { index, value: head.value };
      }
      const iterator = first && iterators[first.index];
      if (first === undefined || iterator === undefined) return;
      yield first.value;
      heads[first.index] = await iterator.next();
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
