import type { ContainerId } from '../../model/ids.ts';
import type { CallOptions, LogLine, LogMoment, LogQuery } from '../../orchestrator/session-host.ts';
import { serverContainer, serverStatus } from '../model/objects.ts';
import { type Cluster, refusalOf } from '../port.ts';
import { hasRun } from './container.ts';
import { pathOf, podNamed, readPod } from './look.ts';

/** How much later the line before another one may be, ms: each of the two streams is read by itself where a container runs. */
const unorderedMs = 1_000;

/** Which run of a container, how much of its log, and whether what comes is waited for. */
type Part = { readonly previous: boolean; readonly tail: number | undefined; readonly follow: boolean };

/** From when on the API is asked, which counts in whole seconds. */
function sinceOf(since: LogMoment | undefined): Readonly<Record<string, string>> {
  if (since === undefined) return {};
  if ('agoMs' in since) return { sinceSeconds: String(Math.max(1, Math.ceil(since.agoMs / 1_000))) };
  return { sinceTime: new Date(Math.floor(since.at / 1_000) * 1_000).toISOString() };
}

/** Reads a line that begins with its time; a piece of one that was too long has the time of what came before. */
export function parseLine(line: string, before: number): LogLine {
  const space = line.indexOf(' ');
  const time = space < 0 ? Number.NaN : Date.parse(line.slice(0, space));
  const [at, text] = Number.isNaN(time) ? [before, line] : [time, line.slice(space + 1)];
  return { time: at, stream: 'stderr', text: text.replace(/\r$/, '') };
}

/** Whose log is read, and what of it is wanted. */
type Reading = {
  readonly cluster: Cluster;
  readonly id: ContainerId;
  readonly query: LogQuery;
  readonly options: CallOptions;
};

async function* readPart(
  { cluster, id, query: { since }, options }: Reading,
  { previous, tail, follow }: Part,
): AsyncGenerator<LogLine> {
  const path = `${pathOf(podNamed(id))}/log`;
  const query = {
    container: serverContainer,
    timestamps: 'true',
    ...(follow ? { follow: 'true' } : {}),
    ...(previous ? { previous: 'true' } : {}),
    ...(tail === undefined ? {} : { tailLines: String(tail) }),
    ...sinceOf(since),
  };
  const earliest = since !== undefined && 'at' in since ? since.at : 0;
  let before = earliest;
  for await (const line of cluster.lines({ path, query }, options)) {
    const parsed = parseLine(line, before);
    before = parsed.time;
    if (parsed.time >= earliest) yield parsed;
  }
}

/** The log of the run before, of which a node keeps one, and that not for ever. */
async function* readPrevious(reading: Reading, tail: number | undefined): AsyncGenerator<LogLine> {
  try {
    yield* readPart(reading, { previous: true, tail, follow: false });
  } catch (error) {
    const status = refusalOf(error)?.status;
    if (status !== 400 && status !== 404) throw error;
  }
}

/** How many lines of so many last ones are the present run's. */
async function countTail(reading: Reading, tail: number): Promise<number> {
  let count = 0;
  for await (const _ of readPart(reading, { previous: false, tail, follow: false })) count += 1;
  return count;
}

async function* readBoth(reading: Reading): AsyncGenerator<LogLine> {
  const { cluster, id, options } = reading;
  const { tail, follow } = reading.query;
  const status = serverStatus(await readPod(cluster, id, options));
  if (!hasRun(status)) return;
  // While it waits to be started again, its log is that of the run before.
  if ((status?.restartCount ?? 0) > 0 && status?.state?.waiting === undefined) {
    const missing = tail === undefined ? undefined : tail - (await countTail(reading, tail));
    if (missing === undefined || missing > 0) yield* readPrevious(reading, missing);
  }
  yield* readPart(reading, { previous: false, tail, follow });
}

/**
 * The log of a pod's server, of the run before as well where its node has that. The API gives both streams as one: each
 * line is said to be of stderr, where sessions and most servers over stdio write, and whoever asks for stdout alone gets
 * none. `agoMs` is counted by the node's clock in `since`, up to a second more, and by this machine's in `until`.
 */
export async function* readLog(
  cluster: Cluster,
  id: ContainerId,
  query: LogQuery,
  options: CallOptions = {},
): AsyncGenerator<LogLine> {
  const { until, streams } = query;
  const latest = until === undefined ? Number.POSITIVE_INFINITY : 'at' in until ? until.at : Date.now() - until.agoMs;
  for await (const line of readBoth({ cluster, id, query, options })) {
    if (line.time > latest + unorderedMs) return;
    if (line.time <= latest && streams.includes(line.stream)) yield line;
  }
}

/** The last lines of the log of a pod's server, oldest first. Throws `engine-not-found`. */
export async function tailLog(
  cluster: Cluster,
  id: ContainerId,
  lines: number,
  options: CallOptions = {},
): Promise<readonly LogLine[]> {
  const last: LogLine[] = [];
  const query = { streams: ['stdout', 'stderr'], tail: lines, follow: false } as const;
  for await (const line of readLog(cluster, id, query, options)) last.push(line);
  return last;
}
