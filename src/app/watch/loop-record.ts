import type { DeclaredServer } from '../../model/desired.ts';
import { loopStates } from '../../model/health.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Change, Plan } from '../../model/plan.ts';
import { createHistogram, type MetricFamily, type Sample, single } from '../../model/trail/metrics.ts';
import { defined } from '../../model/values/defined.ts';
import type { Work } from '../plan/plan-work.ts';
import type { Ports } from '../ports.ts';
import type { ProbeState } from './probes.ts';
import type { Commits, LeftAlone } from './told.ts';

/** What a server is to the loop. */
export type LoopState = (typeof loopStates)[number];

/** A server as the loop sees it. */
export type ServerToLoop = {
  readonly server: ServerName;
  readonly state: LoopState;
  /** It does not run, or does not answer, whatever is being done about it. */
  readonly isDown: boolean;
  /** In which fields, or how else, it is not as declared; a rotation that is due is none, nor is a person's stop. `unknown`: the last look failed, or its engine is silent. */
  readonly drift: readonly string[] | 'unknown';
};

/** What one look found. */
export type Look = {
  readonly servers: readonly DeclaredServer[];
  readonly plan: Plan;
  readonly left: ReadonlyMap<ServerName, LeftAlone>;
  /** What would be done of it all. */
  readonly work: Work;
  /** It is told, and not done. */
  readonly dryRun: boolean;
};

/** What a loop knows now. */
export type LoopView = {
  /** Absent: nothing could be read yet. */
  readonly source?: {
    readonly from: 'git' | 'files';
    readonly commits: readonly string[];
    readonly commitBy?: string;
    /** When it could last be read, ms since 1970. */
    readonly at?: number;
  };
  /** Absent: no look has come so far. */
  readonly look?: Look;
  /** Undefined for what is not declared. */
  readonly stateOf: (server: ServerName) => LoopState | undefined;
  readonly probeOf: (server: ServerName) => ProbeState | undefined;
  /** A plan is being carried out. */
  readonly isChanging: boolean;
};

/** What a loop notes of itself while it runs. */
export type LoopRecord = {
  /** It is not stuck: a look ended, or a step of a run. */
  readonly stirred: () => void;
  readonly lookEnded: (seconds: number, isWell: boolean) => void;
  readonly sourceRead: (from: 'git' | 'files', of: Commits) => void;
  readonly sourceReached: () => void;
  /**
   * A repository was asked, whatever came of it, and is asked again in so many ms: a sign of life for as long, until there
   * is something to look at.
   */
  readonly sourceAsked: (nextInMs: number) => void;
  readonly looked: (look: Look) => void;
  /** A run of these changes began; what comes back says that it ended, and how. */
  readonly changing: (changes: readonly Change[]) => (seconds: number, result: string) => void;
  /** How a server answered a probe, last; undefined where it was not asked. */
  readonly probedBy: (stateOf: (server: ServerName) => ProbeState | undefined) => void;
};

/** What a loop tells of itself to whoever asks. */
export type LoopStatus = {
  /** Whether a look ended within three intervals, and in a run a step in the time that the longest may take. */
  readonly isAlive: () => boolean;
  /** Whether the last look came to its end. */
  readonly isReady: () => boolean;
  readonly families: () => readonly MetricFamily[];
  readonly view: () => LoopView;
  /** Tells that the view may be another one, until what comes back is called. */
  readonly onChange: (hear: () => void) => () => void;
  /** Those that are declared; undefined before the first look. */
  readonly servers: () => readonly ServerToLoop[] | undefined;
};

/** Intervals without an end of a look after which a loop is stuck, and the least time until it is, ms. */
const mostIntervals = 3;
const leastMs = 60_000;
/** In a run nothing may be heard of for so long, ms: `drain_seconds` may be an hour. */
const longestStepMs = 3_700_000;
/** Bounds of durations, s: a look takes a moment, a run may build images. */
const bounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600] as const;

/** Whether a look could not find out how a server is, as its engine is silent while others answer. */
const isUnseen = (change: Change | undefined): boolean =>
  change?.action === 'blocked' && change.why.kind === 'engine-silent';

/** What a server is that a plan would change; undefined where the plan alone does not tell. */
function stateByPlan(change: Change | undefined, left: LeftAlone | undefined): LoopState | undefined {
  if (isUnseen(change)) return 'unknown';
  if (left?.why === 'stopped-by-person') return 'stopped';
  if (left?.why === 'blocked' || left?.why === 'without-secrets' || change?.action === 'blocked') return 'blocked';
  if (left?.why === 'waiting') return 'waiting';
  return change?.action === 'create' || change?.action === 'start' ? 'down' : undefined;
}

/** How a server is not as declared: its fields that somebody changed, else why a plan would change it. */
function deviations(server: ServerName, { drift }: Plan, change: Change | undefined): ServerToLoop['drift'] {
  if (isUnseen(change)) return 'unknown';
  const fields = drift.flatMap((one) => (one.server === server ? one.fields.map(({ path }) => path) : []));
  if (fields.length > 0) return fields;
  if (change?.action === 'blocked') return ['blocked'];
  const kinds = change !== undefined && 'reasons' in change ? change.reasons.map(({ kind }) => kind) : [];
  return kinds.filter((kind) => kind !== 'rotation-due');
}

/** What a loop notes, and what is read of it as metrics. `intervalMs` is that between two looks. */
export function createLoopRecord(
  { monotonicMs, now }: Pick<Ports, 'monotonicMs' | 'now'>,
  intervalMs: number,
): { readonly record: LoopRecord; readonly status: LoopStatus } {
  let lastSign = monotonicMs();
  let isReady = false;
  let source: ({ readonly from: 'git' | 'files' } & Commits) | undefined;
  const hearers = new Set<() => void>();
  const tell = (): void => {
    for (const hear of hearers) hear();
  };
  let sourceAt: number | undefined;
  let look: Look | undefined;
  let probeOf: (server: ServerName) => ProbeState | undefined = () => undefined;
  const repairing = new Set<ServerName>();
  const looks = createHistogram(bounds);
  const runs = new Map<string, ReturnType<typeof createHistogram>>();
  const changes = new Map<string, number>();
  let hasLooked = false;
  const stirred = (): void => {
    lastSign = monotonicMs();
  };
  const sourceAsked = (nextInMs: number): void => {
    if (!hasLooked) lastSign = monotonicMs() + nextInMs;
  };

  const stateOf = ({ spec: { name, enabled } }: DeclaredServer, { plan, left }: Look): LoopState => {
    if (!isReady && !repairing.has(name)) return 'unknown';
    if (repairing.has(name)) return 'repairing';
    if (!enabled) return 'stopped';
    const change = plan.changes.find(({ server }) => server === name);
    return stateByPlan(change, left.get(name)) ?? probeOf(name)?.state ?? 'unknown';
  };
  const perServer = (value: (server: DeclaredServer, look: Look) => readonly Sample[]): readonly Sample[] => {
    const current = look;
    return current === undefined ? [] : current.servers.flatMap((server) => value(server, current));
  };
  const seen = (server: DeclaredServer, current: Look): ServerToLoop => {
    const { name } = server.spec;
    const state = stateOf(server, current);
    const change = current.plan.changes.find((one) => one.server === name);
    const byPlan = stateByPlan(change, undefined);
    const isDown = state !== 'stopped' && state !== 'unknown' && (byPlan === 'down' || probeOf(name)?.state === 'down');
    const drift = state === 'stopped' ? [] : deviations(name, current.plan, change);
    return { server: name, state, isDown, drift: isReady || repairing.has(name) ? drift : 'unknown' };
  };
  const driftOf = ({ spec: { name } }: DeclaredServer, { plan }: Look): number =>
    plan.drift.filter(({ server }) => server === name).reduce((sum, { fields }) => sum + fields.length, 0);

  const families = (): readonly MetricFamily[] => [
    {
      name: 'looms_source_info',
      type: 'gauge',
      help: 'Where the specs come from, and the commit they are of.',
      samples:
        source === undefined
          ? []
          : [{ labels: { source: source.from, commit: source.commits.join(' ') || 'none' }, value: 1 }],
    },
    {
      name: 'looms_source_last_success_timestamp_seconds',
      type: 'gauge',
      help: 'When the files, or the repository, could last be read.',
      samples: sourceAt === undefined ? [] : single(Math.floor(sourceAt / 1000)),
    },
    {
      name: 'looms_server_health',
      type: 'gauge',
      help: 'What a server is to the loop: 1 for the state that it is in.',
      samples: perServer((server, current) => {
        const is = stateOf(server, current);
        return loopStates.map((state) => ({
          labels: { server: server.spec.name, state },
          value: state === is ? 1 : 0,
        }));
      }),
    },
    {
      name: 'looms_server_drift_fields',
      type: 'gauge',
      help: 'Fields of a server that somebody changed outside looms.',
      samples: perServer((server, current) => [
        { labels: { server: server.spec.name }, value: driftOf(server, current) },
      ]),
    },
    {
      name: 'looms_probe_duration_seconds',
      type: 'gauge',
      help: 'How long the last probe of a server took.',
      samples: perServer(({ spec: { name } }) => {
        const seconds = probeOf(name)?.seconds;
        return seconds === undefined ? [] : [{ labels: { server: name }, value: seconds }];
      }),
    },
    {
      name: 'looms_repair_duration_seconds',
      type: 'histogram',
      help: 'Runs of a plan, by what came of them.',
      samples: [...runs.values()].flatMap((histogram) => histogram.samples()),
    },
    {
      name: 'looms_reconcile_duration_seconds',
      type: 'histogram',
      help: 'Looks, with the runs that followed from them.',
      samples: looks.samples(),
    },
    {
      name: 'looms_changes_total',
      type: 'counter',
      help: 'Changes of servers that were begun, by each of their reasons.',
      samples: [...changes].map(([reason, value]) => ({ labels: { reason }, value })),
    },
  ];

  return {
    record: {
      stirred,
      lookEnded(seconds, isWell) {
        stirred();
        hasLooked = true;
        isReady = isWell;
        looks.observe(seconds);
        tell();
      },
      sourceRead(from, of) {
        source = { from, ...of };
        if (from === 'files') sourceAt = now();
      },
      sourceAsked,
      sourceReached() {
        sourceAsked(0);
        sourceAt = now();
      },
      looked(found) {
        look = found;
      },
      changing(begun) {
        for (const change of begun) {
          repairing.add(change.server);
          for (const { kind } of 'reasons' in change ? change.reasons : []) {
            changes.set(kind, (changes.get(kind) ?? 0) + 1);
          }
        }
        tell();
        return (seconds, result) => {
          repairing.clear();
          tell();
          const histogram = runs.get(result) ?? createHistogram(bounds, { result });
          runs.set(result, histogram);
          histogram.observe(seconds);
        };
      },
      probedBy(next) {
        probeOf = next;
      },
    },
    status: {
      isAlive: () =>
        monotonicMs() - lastSign <=
        (repairing.size > 0 ? longestStepMs : Math.max(leastMs, mostIntervals * intervalMs)),
      isReady: () => isReady,
      families,
      view: () => ({
        ...(source === undefined ? {} : { source: { ...source, ...defined({ at: sourceAt }) } }),
        ...defined({ look }),
        stateOf(server) {
          const declared = look?.servers.find(({ spec }) => spec.name === server);
          return declared === undefined || look === undefined ? undefined : stateOf(declared, look);
        },
        probeOf: (server) => probeOf(server),
        isChanging: repairing.size > 0,
      }),
      onChange(hear) {
        hearers.add(hear);
        return () => void hearers.delete(hear);
      },
      servers: () => {
        const current = look;
        return current?.servers.map((server) => seen(server, current));
      },
    },
  };
}
