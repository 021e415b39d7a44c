import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { ContainerUsage } from '../../model/trail/usage.ts';
import type { Ports } from '../ports.ts';
import { createOomKills } from './oom-kills.ts';

/** Between two looks while nobody asks and the past is wanted all the same, ms. */
const unaskedEveryMs = 60_000;
/** Between two looks, ms, how many containers are measured at once, and how long what was seen is kept, ms. */
export const sampleEveryMs = 15_000;
const atOnce = 4;
const keptMs = 3_600_000;
/** After how long without a look what was seen last says nothing of now, ms. */
const staleMs = 3 * sampleEveryMs;
/** How long one look may take, ms; on Engine 20.10 four containers take a second. */
const longestLookMs = 60_000;
/** How long looks go on for somebody who asked once, as a scraper does, ms; and how long the first answer waits, ms. */
const wantedForMs = 300_000;
const firstLookMs = 5_000;
/** As long as a timer takes. */
const longestWaitMs = 86_400_000;

/** What a server takes, by the container that stands for it: the newest that runs, else the newest. */
export type ServerUse = ContainerUsage & {
  /** How often the kernel ended something in one of its containers for lack of memory, as far as is known. */
  readonly oomKills: number;
  /** Its generations of which something runs: two while one replaces the other, however many pods each has. */
  readonly running: number;
};

/** What one look saw of a server. */
export type Point = Pick<
  ServerUse,
  'container' | 'run' | 'limits' | 'sample' | 'restarts' | 'oomKills' | 'sessions'
> & {
  /** On the monotonic clock, ms. */
  readonly at: number;
};

/** Measures the servers of a project again and again, while somebody wants to know or so that there is a past to be shown. */
export type Sampler = {
  /** Looks are made from now on, until what comes back is called. */
  readonly want: () => () => void;
  /** What the last look saw; undefined where there was none, or it is too old to say something of now. */
  readonly latest: () => ReadonlyMap<ServerName, ServerUse> | undefined;
  /** The same; looks go on for five minutes, and the first one is waited for, 5 s at most. */
  readonly asked: () => Promise<ReadonlyMap<ServerName, ServerUse> | undefined>;
  /** What was seen of a server in the last hour, oldest first. */
  readonly points: (server: ServerName) => readonly Point[];
  /** Tells of each look, until what comes back is called. */
  readonly onLook: (hear: () => void) => () => void;
  /**
   * Looks every 15 s as long as somebody wants that, and with `keepsPast` else every minute, until `stop` aborts. Throws
   * nothing: a look that fails is none.
   */
  readonly run: (stop: AbortSignal) => Promise<void>;
};

/** The container that stands for each server. */
function standing(all: readonly ContainerUsage[]): ReadonlyMap<ServerName, ContainerUsage> {
  const found = new Map<ServerName, ContainerUsage>();
  for (const one of all) {
    const before = found.get(one.server);
    const isNearer =
      before === undefined ||
      Number(one.sample !== null) - Number(before.sample !== null) > 0 ||
      ((one.sample !== null) === (before.sample !== null) && one.generation > before.generation);
    if (isNearer) found.set(one.server, one);
  }
  return found;
}

export function createSampler(
  ports: Ports,
  project: ProjectName,
  { keepsPast }: { readonly keepsPast: boolean },
): Sampler {
  let stirred = new AbortController();
  const stir = (): void => stirred.abort();
  const wants = new Set<object>();
  const hearers = new Set<() => void>();
  const points = new Map<ServerName, Point[]>();
  const oomKills = createOomKills(ports, project);
  let last: { readonly at: number; readonly servers: ReadonlyMap<ServerName, ServerUse> } | undefined;
  let wantedUntil = Number.NEGATIVE_INFINITY;
  const isWanted = (): boolean => wants.size > 0 || ports.monotonicMs() < wantedUntil;
  const latest = (): ReadonlyMap<ServerName, ServerUse> | undefined =>
    last !== undefined && ports.monotonicMs() - last.at <= staleMs ? last.servers : undefined;

  const look = async (stop: AbortSignal): Promise<void> => {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(longestLookMs)]);
    const all = await (await ports.orchestrator()).usage(project, { signal, atOnce });
    // What could not be heard is asked for again with the next look.
    await oomKills.count(all, signal).catch(() => {});
    const at = ports.monotonicMs();
    const servers = new Map<ServerName, ServerUse>();
    for (const [server, one] of standing(all)) {
      const running = all.filter((other) => other.server === server && other.sample !== null);
      const generations = new Set(running.map(({ generation }) => generation));
      servers.set(server, { ...one, oomKills: oomKills.of(server), running: generations.size });
    }
    last = { at, servers };
    for (const server of [...points.keys()]) if (!servers.has(server)) points.delete(server);
    for (const [server, { container, run, limits, sample, restarts, sessions, oomKills: kills }] of servers) {
      const kept = (points.get(server) ?? []).filter((one) => at - one.at <= keptMs);
      kept.push({ at, container, run, limits, sample, restarts, sessions, oomKills: kills });
      points.set(server, kept);
    }
    for (const hear of hearers) hear();
  };

  const want: Sampler['want'] = () => {
    const one = {};
    wants.add(one);
    stir();
    return () => void wants.delete(one);
  };

  return {
    want,
    latest,
    async asked() {
      const wasWanted = isWanted();
      wantedUntil = ports.monotonicMs() + wantedForMs;
      if (!wasWanted) stir();
      if (latest() === undefined) {
        const over = new AbortController();
        const hear = (): void => over.abort();
        hearers.add(hear);
        await ports.pause(firstLookMs, over.signal);
        hearers.delete(hear);
      }
      return latest();
    },
    points: (server) => points.get(server) ?? [],
    onLook(hear) {
      hearers.add(hear);
      return () => void hearers.delete(hear);
    },
    async run(stop) {
      let lookedAt = ports.monotonicMs() - unaskedEveryMs;
      const unasked = keepsPast ? unaskedEveryMs : Number.POSITIVE_INFINITY;
      const leftMs = (): number => lookedAt + (isWanted() ? sampleEveryMs : unasked) - ports.monotonicMs();
      while (!stop.aborted) {
        stirred = new AbortController();
        const wait = Math.min(longestWaitMs, Math.max(0, leftMs()));
        await ports.pause(wait, AbortSignal.any([stop, stirred.signal]));
        if (stop.aborted || leftMs() > 0) continue;
        lookedAt = ports.monotonicMs();
        // The engine is away, or too slow: those who look after it tell that.
        await look(stop).catch(() => {});
      }
    },
  };
}
