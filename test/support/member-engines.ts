import type { DockerDescription } from '../../src/model/engine.ts';
import { LoomsError } from '../../src/model/errors.ts';
import type { StepResult } from '../../src/model/events.ts';
import { asContainerId, asStepId, type ServerName } from '../../src/model/ids.ts';
import type { EngineTraits } from '../../src/model/place.ts';
import { basisOf } from '../../src/model/plan/plan-basis.ts';
import type { Change, NonEmpty, Plan, Reason, Step } from '../../src/model/plan.ts';
import type { ServerListing, ServerView, Serving } from '../../src/model/server-view.ts';
import { reportOf } from '../../src/orchestrator/common/report.ts';
import { walkPlan } from '../../src/orchestrator/common/walk-plan.ts';
import type {
  ApplyOptions,
  FilesIntent,
  Prepared,
  RecordedIntent,
  ServerWatch,
  SingleOrchestrator,
} from '../../src/orchestrator/port.ts';
import type { CallOptions } from '../../src/orchestrator/session-host.ts';
import type { Member } from '../../src/orchestrator/several/members.ts';
import { emptyEngine, project } from './planner-world.ts';

/** One of several engines, in memory: a server is there or not, and when it was made. */
export type MemberEngine = {
  readonly member: Member;
  readonly servers: Map<ServerName, number>;
  /** Does not answer any more. */
  isAway: boolean;
  /** Takes its time to be found away. */
  whenAway: () => Promise<void> | void;
  /** What it says to each question, where it does not let us in. */
  refusal: LoomsError | undefined;
  /** Its user may look at the project alone; called when more is asked for. */
  whenTooMuch: (() => void) | undefined;
  /** Servers of which only the past is recorded. */
  readonly deleted: Set<ServerName>;
  /** How far its clock is ahead, ms. */
  clockAheadMs: number;
  /** Waits before a gate answers. */
  whenGated: () => Promise<void> | void;
  /** Servers whose containers are there, and do not run. */
  readonly stopped: Set<ServerName>;
  /** Of these, those that failed their gate, and those that were made and have not run yet. */
  readonly gateFailed: Set<ServerName>;
  readonly unstarted: Set<ServerName>;
  /** Servers that do not pass their gate here. */
  readonly failing: Set<ServerName>;
  /** Who is told of its servers. */
  readonly watchers: Set<ServerWatch>;
};

/** What happens on all engines, in order: `a: gate fs`. */
export type World = { readonly log: string[]; clock: number };

const usualTraits: Omit<EngineTraits, 'name'> = { labels: {}, weight: 1, cost: 0, lostAfterMs: 300_000 };

export const traits = (name: string, own: Partial<EngineTraits> = {}): EngineTraits => ({
  ...usualTraits,
  ...own,
  name,
});

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(new LoomsError('interrupted', 'interrupted'));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  });

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** @param id the engine's own and its machine's, where another name is the same engine */
export function memberEngine(
  world: World,
  of: EngineTraits,
  has: readonly ServerName[] = [],
  id: string = of.name,
): MemberEngine {
  const { name } = of;
  const description: DockerDescription = { ...(emptyEngine().engine as DockerDescription), id, name: id };
  const servers = new Map(has.map((one) => [one, 0]));
  /** Made here, and not through their gates yet. */
  const unproven = new Set<ServerName>();
  let lock: Promise<void> = Promise.resolve();

  const planOf = ({ servers: declared, undesired, movedAway = [], only }: FilesIntent): Plan => {
    const wanted = declared.filter(({ spec }) => only?.includes(spec.name) ?? true).map(({ spec }) => spec.name);
    const known = new Set(declared.map(({ spec }) => spec.name));
    const goes = [...servers.keys()].filter(
      (one) => movedAway.includes(one) || (only === undefined && undesired === 'remove' && !known.has(one)),
    );
    const container = (server: ServerName) => asContainerId(`${name}-${server}`);
    const off = new Set(declared.flatMap(({ spec }) => (spec.enabled ? [] : [spec.name])));
    const exited: NonEmpty<Reason> = [{ kind: 'exited', exitCode: 0, outOfMemory: false }];
    const changeOf = (server: ServerName): Change => {
      const there = { server, container: container(server) };
      if (!servers.has(server)) return { server, action: 'create', reasons: [{ kind: 'missing' }] };
      const runs = !engine.stopped.has(server);
      if (off.has(server) === !runs) return { ...there, action: 'unchanged' };
      return runs
        ? { ...there, action: 'stop', reasons: [{ kind: 'disabled' }] }
        : { ...there, action: 'start', reasons: exited };
    };
    const changes = [
      ...wanted.map(changeOf),
      ...goes.map(
        (server): Change => ({
          server,
          container: container(server),
          action: 'remove',
          reasons: [{ kind: 'not-in-spec' }],
        }),
      ),
    ];
    const step = (server: ServerName, op: string, after: readonly string[] = []): Step => ({
      id: asStepId(`${server}/${op}`),
      op,
      text: `${op} ${server}`,
      server,
      cause: { kind: 'change', server },
      after: after.map((one) => asStepId(`${server}/${one}`)),
    });
    const steps = changes.flatMap(({ server, action }): readonly Step[] => {
      if (action === 'create') {
        const back = { ...step(server, 'undo', ['create']), onFailureOf: [asStepId(`${server}/gate`)] };
        return [step(server, 'create'), step(server, 'gate', ['create']), back];
      }
      if (action === 'start') return [step(server, 'start'), step(server, 'gate', ['start'])];
      if (action === 'stop') return [step(server, 'stop')];
      return action === 'remove' ? [step(server, 'drain'), step(server, 'remove', ['drain'])] : [];
    });
    return {
      schemaVersion: 1,
      project,
      engine: description,
      basis: basisOf({ changes, steps }),
      changes,
      support: [],
      images: [],
      steps,
      drift: [],
      rotations: [],
      warnings: [],
    };
  };
  const prepare = (intent: FilesIntent | RecordedIntent): Prepared => {
    if (intent.kind === 'recorded') {
      const gone = intent.servers.find((one) => !servers.has(one));
      if (gone !== undefined) throw new LoomsError('server-not-found', `server ${gone} was deleted`);
      return prepare({ ...intent, kind: 'files', servers: [], recipes: new Map(), undesired: 'ignore' });
    }
    const plan = planOf(intent);
    const made = plan.changes.flatMap(({ action, server }) => (action === 'create' ? [server] : []));
    return {
      intent,
      plan,
      servers: intent.servers,
      untrusted: [],
      records: [],
      gated: new Set(made),
      made: new Set(made),
      generations: new Map(),
    };
  };
  const perform = async (step: Step): Promise<StepResult> => {
    await pause();
    const { server } = step;
    if (server === undefined) throw new Error('a step of no server');
    world.log.push(`${name}: ${step.op} ${server}`);
    if (step.op === 'create') {
      world.clock += 1;
      servers.set(server, world.clock);
      unproven.add(server);
    }
    if (step.op === 'gate') await engine.whenGated();
    if (step.op === 'start') engine.stopped.delete(server);
    if (step.op === 'stop') engine.stopped.add(server);
    if (step.op === 'undo' || step.op === 'remove') servers.delete(server);
    if (step.op !== 'gate') return { result: 'ok' };
    if (!engine.failing.has(server)) {
      unproven.delete(server);
      return { result: 'ok' };
    }
    return { result: 'failed', failure: { code: 'session-failed', message: 'it does not answer', detail: [] } };
  };
  const locked = async <T>(work: () => Promise<T>): Promise<T> => {
    const before = lock;
    const mine = Promise.withResolvers<void>();
    lock = mine.promise;
    await before;
    try {
      return await work();
    } finally {
      mine.resolve();
    }
  };
  const apply = async (prepared: Prepared, options: ApplyOptions): Promise<ReturnType<typeof reportOf>> => {
    const words = { stillServes: () => false, stillServingNotes: () => [], wayBackNotices: [] };
    if (prepared.plan.steps.length === 0) return reportOf(prepared.plan, new Map(), words);
    return locked(async () => {
      const again = prepare(prepared.intent as FilesIntent);
      if (again.plan.basis !== prepared.plan.basis && !options.acceptNewPlan(again.plan)) {
        throw new LoomsError('plan-stale', 'the engine changed');
      }
      await options.check(again);
      const { stopSignal, abortSignal, atOnceSignal, sink, awaited } = options;
      const results = await walkPlan(again.plan.steps, {
        ...{ parallelism: 1, stopSignal, abortSignal, atOnceSignal, sink, awaited },
        monotonicMs: () => 0,
        perform,
      });
      return reportOf(again.plan, results, words);
    });
  };
  const listing = (): ServerListing => ({
    project,
    engine: description,
    now: world.clock + engine.clockAheadMs,
    servers: [...servers].map(([server, madeAt]) => {
      const createdAt = madeAt + engine.clockAheadMs;
      const container = asContainerId(`${name}-${server}`);
      const status = { status: 'created' };
      return {
        name: server,
        createdAt,
        rotatesAt: null,
        status,
        state: engine.stopped.has(server) ? 'stopped' : 'running',
        generation: 1,
        container,
        instances: [{ container, run: engine.unstarted.has(server) ? '' : '2026' }],
      } as unknown as ServerView;
    }),
    deleted: [...engine.deleted],
    notices: [],
  });
  /** Each question by itself: an engine that is connected goes away all the same. */
  const reached = async <T>(answer: () => T | Promise<T>): Promise<T> => {
    await pause();
    if (engine.isAway) await engine.whenAway();
    if (engine.isAway) throw new LoomsError('engine-unreachable', 'nothing listens');
    if (engine.refusal !== undefined) throw engine.refusal;
    return answer();
  };
  const orchestrator = {
    // From memory, as an engine's is.
    describe: async () => description,
    projects: () =>
      reached(() => {
        engine.whenTooMuch?.();
        if (engine.whenTooMuch !== undefined) throw new LoomsError('engine-rejected', 'may not list namespaces');
        return [project];
      }),
    servers: () => reached(listing),
    serving: (_: unknown, server: ServerName) =>
      reached(() => {
        if (!servers.has(server)) throw new LoomsError('server-not-found', `no server ${server}`);
        if (engine.stopped.has(server)) throw new LoomsError('server-not-running', `${server} is stopped on ${name}`);
        const container = asContainerId(`${name}-${server}`);
        return { container, ...(unproven.has(server) ? { isUnproven: true } : {}) } as unknown as Serving;
      }),
    history: (_: unknown, server: ServerName) =>
      reached(() => [{ generation: 1, state: engine.gateFailed.has(server) ? 'gate-failed' : 'stopped' }]),
    instances: (_: unknown, options: CallOptions = {}) =>
      Promise.race([
        reached(() =>
          [...servers.keys()].map((server) => ({ id: asContainerId(`${name}-${server}`), server, generation: 1 })),
        ),
        ...(options.signal === undefined ? [] : [aborted(options.signal)]),
      ]),
    usage: () => reached(() => []),
    watchServers: async (_: unknown, hear: ServerWatch, { signal }: CallOptions = {}) => {
      await reached(() => {});
      hear.onReady();
      engine.watchers.add(hear);
      if (signal !== undefined) await aborted(signal);
    },
    plan: (intent: FilesIntent | RecordedIntent) => reached(() => prepare(intent)),
    apply: (prepared: Prepared, options: ApplyOptions) => reached(() => apply(prepared, options)),
    lock: { hold: <T>(_: unknown, __: unknown, work: () => Promise<T>) => locked(work) },
  } as unknown as SingleOrchestrator;
  const engine: MemberEngine = {
    servers,
    isAway: false,
    whenAway: () => {},
    refusal: undefined,
    whenTooMuch: undefined,
    deleted: new Set(),
    clockAheadMs: 0,
    whenGated: () => {},
    stopped: new Set(),
    gateFailed: new Set(),
    unstarted: new Set(),
    failing: new Set(),
    watchers: new Set(),
    member: {
      ...of,
      orchestrator: async () => orchestrator,
      close: async () => {},
    },
  };
  return engine;
}
