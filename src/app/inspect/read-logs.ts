import { defined } from '../../model/defined.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { ServerContainer } from '../../model/server-view.ts';
import type { LogLine, LogMoment } from '../../orchestrator/session-host.ts';
import type { Ports } from '../ports.ts';
import { knowSecrets } from '../talk/know-secrets.ts';
import { followLogs } from './follow-logs.ts';
import { type LogSource, logSource, type ServerLogLine } from './log-source.ts';

export type LogRequest = {
  readonly project: ProjectName;
  /** Empty: all servers of the project. */
  readonly servers: readonly ServerName[];
  readonly streams: readonly LogLine['stream'][];
  readonly since?: LogMoment;
  readonly until?: LogMoment;
  /** So many lines from the end of each container's log. */
  readonly tail?: number;
  /** Goes on until the signal aborts, across stops and replacements. */
  readonly follow: boolean;
  /** Only lines in which this is found. */
  readonly pattern?: RegExp;
};

type OpenLogs = {
  /** Whose logs these are now, sorted. */
  readonly servers: readonly ServerName[];
  /**
   * Merged by time: what is there, and with `follow` what comes. Throws `interrupted` when the signal aborts before
   * everything that is there was read, and what the engine throws.
   */
  readonly lines: AsyncIterable<ServerLogLine>;
};

/** Opens the logs of servers, read as they are taken. Throws `server-not-found`, and what the engine throws. */
export async function openLogs(ports: Ports, request: LogRequest, signal: AbortSignal): Promise<OpenLogs> {
  const { instances, sessions } = await ports.orchestrator();
  const located = await instances(request.project, { signal });
  const names = [...new Set(located.map(({ server }) => server))].sort();
  const unknown = request.servers.find((name) => !names.includes(name));
  if (unknown !== undefined) throw serverNotFound(request.project, unknown, names);

  const isWanted = ({ server }: ServerContainer): boolean =>
    request.servers.length === 0 || request.servers.includes(server);
  const { streams, since, until, tail } = request;
  const first = {
    streams,
    ...defined({ since, until, tail }),
  };
  const sources = new Map<ContainerId, LogSource>();
  const open = async (one: ServerContainer, from: typeof first): Promise<LogSource> => {
    if (one.recorded !== undefined) await knowSecrets(ports, one.recorded.spec, one.foreignRecord);
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
  const lines = (async function* () {
    yield* mergeByTime(known.map(({ read }) => read(false, signal)));
    if (request.follow) yield* followLogs(known, { look, pause: ports.pause, signal });
  })();
  const { pattern } = request;
  return {
    servers: names.filter((name) => request.servers.length === 0 || request.servers.includes(name)),
    lines: pattern === undefined ? lines : matching(lines, pattern),
  };
}

async function* matching(lines: AsyncIterable<ServerLogLine>, pattern: RegExp): AsyncGenerator<ServerLogLine> {
  for await (const line of lines) if (pattern.test(line.text)) yield line;
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
