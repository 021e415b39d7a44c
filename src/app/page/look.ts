import { failureOf } from '../../model/failure.ts';
import { type HealthRecord, standingOf } from '../../model/health.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import {
  inNoFile,
  type PageHealth,
  type PagePlan,
  type PageServer,
  type PageSource,
  type PageState,
  type Unknown,
} from '../../model/page/state.ts';
import { type Change, isInSync, type Plan } from '../../model/plan.ts';
import type { ServerListing, ServerView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import type { PageLook } from '../../serve/page/source.ts';
import type { Alerts } from '../alerts/watch-alerts.ts';
import { readKept } from '../inspect/read-kept.ts';
import type { Sampler } from '../measure/sampler.ts';
import type { Ports } from '../ports.ts';
import type { LoopView } from '../watch/loop-record.ts';
import type { RecentCalls } from './calls.ts';
import { newestUse } from './measured.ts';
import type { PageWords } from './words.ts';

/** What a look at everything stands on. */
export type LookParts = {
  /** Of the loop in the same program, where one runs. */
  readonly alerts: Pick<Alerts, 'current'> | undefined;
  readonly project: ProjectName;
  /** Of looms. */
  readonly version: string;
  readonly words: PageWords;
  readonly sampler: Sampler;
  /** Does not throw. */
  readonly calls: () => Promise<RecentCalls>;
  /** Of the loop in the same program; undefined where there is none. */
  readonly loop: (() => LoopView) | undefined;
};

const noFiles: Unknown = { kind: 'unknown', why: 'no files are watched: looms serve --watch -f FILE' };
const notYet: Unknown = { kind: 'unknown', why: 'the files were not compared with the engine yet' };

/** Why nothing is known of what the files say. */
export const unknownSpecs = (loop: LoopView | undefined): Unknown => (loop === undefined ? noFiles : notYet);

function sourceOf(loop: LoopView | undefined): PageSource | Unknown {
  if (loop?.source === undefined) return unknownSpecs(loop);
  const { from, commits, commitBy = null, at } = loop.source;
  return { kind: from, commits, commitBy, readAt: at === undefined ? null : isoTime(at) };
}

/** What is told of the change of a server, where one is known. */
export function changeTold<T>(
  loop: LoopView | undefined,
  server: ServerName,
  told: (change: Change, plan: Plan) => T,
): T | Unknown {
  if (loop?.look === undefined) return unknownSpecs(loop);
  const { plan } = loop.look;
  const change = plan.changes.find((one) => one.server === server);
  return change === undefined ? { kind: 'unknown', why: inNoFile } : told(change, plan);
}

/** What is said of the drift of a server by hand. */
export const driftIn = ({ drift }: Plan, server: ServerName) =>
  drift.flatMap((one) => (one.server === server ? one.fields : []));

function planOf(loop: LoopView | undefined, words: PageWords): PagePlan | Unknown {
  const look = loop?.look;
  if (loop === undefined || look === undefined) return unknownSpecs(loop);
  const { plan, left, dryRun, servers } = look;
  const disabled = new Set(servers.flatMap(({ spec }) => (spec.enabled ? [] : [spec.name])));
  const inSync = isInSync(plan);
  return {
    kind: 'known',
    digest: plan.basis,
    inSync,
    totals: inSync ? '' : words.totals(plan),
    text: words.plan(plan, disabled),
    waits: [
      ...(dryRun && !inSync ? [{ server: null, why: 'it is told and not carried out: --dry-run' }] : []),
      ...[...left].map(([server, why]) => ({ server, why: words.left(why) })),
    ],
    running: loop.isChanging,
  };
}

/** How a server is: as the loop has it, else as this machine last found out. */
export function healthOf(
  server: ServerName,
  {
    view,
    record,
    loop,
    words,
  }: {
    readonly view: ServerView | undefined;
    readonly record: HealthRecord | undefined;
    readonly loop: LoopView | undefined;
    readonly words: PageWords;
  },
): PageHealth {
  const kept =
    record !== undefined && view !== undefined && standingOf(record, view) === 'current' ? record : undefined;
  const state = loop?.stateOf(server);
  const probe = loop?.probeOf(server)?.probe;
  const checked = Math.max(probe?.at ?? 0, kept?.checkedAt ?? 0);
  const checkedAt = checked === 0 ? null : isoTime(checked);
  // The loop has not asked it yet, and somebody else has.
  const isNew = state === 'unknown' && loop?.probeOf(server)?.state === 'unknown' && kept !== undefined;
  if (state !== undefined && !isNew) {
    const left = loop?.look?.left.get(server);
    return { state, detail: left === undefined ? (probe?.failure ?? '') : words.left(left), checkedAt };
  }
  if (view !== undefined && (view.state === 'stopped' || view.state === 'disabled')) {
    return { state: 'stopped', detail: '', checkedAt };
  }
  if (view?.state === 'asleep') return { state: 'asleep', detail: '', checkedAt };
  if (kept === undefined) return { state: 'unknown', detail: 'nobody asked it since it began to run', checkedAt };
  const states = { healthy: 'healthy', unhealthy: 'failing', stopped: 'stopped' } as const;
  return { state: states[kept.verdict], detail: kept.detail, checkedAt };
}

/**
 * Looks at everything that the page shows. What comes back does not throw: where the engine is away, it is what was known
 * last, and says so.
 */
export function createLook(ports: Ports, parts: LookParts): () => Promise<PageLook> {
  const { project, version, words, sampler } = parts;
  let last: { readonly listing: ServerListing; readonly health: ReadonlyMap<ServerName, HealthRecord> } | undefined;

  const serverOf = (
    name: ServerName,
    view: ServerView | undefined,
    {
      loop,
      calls,
      health,
    }: {
      readonly loop: LoopView | undefined;
      readonly calls: RecentCalls;
      readonly health: ReadonlyMap<ServerName, HealthRecord>;
    },
  ): Omit<PageServer, 'may'> => {
    const declared = loop?.look?.servers.find(({ spec }) => spec.name === name)?.spec;
    const spec = view?.recorded?.spec ?? declared;
    const measured = sampler.latest()?.get(name);
    return {
      name,
      description: spec?.description ?? null,
      state: view?.state ?? null,
      health: healthOf(name, { view, record: health.get(name), loop, words }),
      generation: view?.generation ?? null,
      image: view?.image ?? null,
      transport: spec?.mcp.transport.kind ?? 'unknown',
      createdAt: view === undefined ? null : isoTime(view.createdAt),
      restarts: view?.restarts ?? 0,
      source: view?.source ?? null,
      drift: changeTold(loop, name, (change, plan) => ({
        kind: 'known',
        action: change.action,
        fields: driftIn(plan, name).length,
        text: words.change(change),
      })),
      limits:
        measured?.limits ??
        (view === undefined
          ? null
          : {
              cpuCores: view.limits.cpuCores,
              memoryBytes: view.limits.memoryMiB * 1024 * 1024,
              processes: view.limits.pids,
            }),
      sessions: measured?.sessions ?? null,
      callsPerMinute: calls.perMinute(name, ports.now()),
      use: newestUse(sampler, name),
    };
  };

  return async () => {
    const loop = parts.loop?.();
    let failure: PageState['engine']['failure'] = null;
    try {
      const listing = await (await ports.orchestrator()).servers(project);
      const at = { engine: listing.engine.id, project };
      last = { listing, health: (await readKept(ports, [], at)).health };
    } catch (error) {
      failure = failureOf(error);
    }
    const calls = await parts.calls();
    const { listing, health = new Map<ServerName, HealthRecord>() } = last ?? {};
    const views = new Map((listing?.servers ?? []).map((view) => [view.name, view]));
    const declared = loop?.look?.servers.map(({ spec }) => spec.name) ?? [];
    const names = [...new Set([...views.keys(), ...declared])].sort();
    const { engine } = listing ?? {};
    return {
      v: 1,
      version,
      project,
      engine: {
        name: engine?.name ?? 'unknown',
        kind: engine?.kind ?? 'unknown',
        version: engine?.version ?? 'unknown',
        failure,
      },
      source: sourceOf(loop),
      alerts: (parts.alerts?.current() ?? []).map((one) => ({ ...one, since: isoTime(one.since) })),
      servers: names.map((name) => serverOf(name, views.get(name), { loop, calls, health })),
      plan: planOf(loop, words),
      tools: calls.tools,
    };
  };
}
