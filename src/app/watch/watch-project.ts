import type { DeclaredServer } from '../../model/desired.ts';
import type { EngineEvent } from '../../model/engine-events.ts';
import { isFailure, LoomsError, traitsOf } from '../../model/errors.ts';
import { failureOf } from '../../model/failure.ts';
import type { ServerName } from '../../model/ids.ts';
import { isInSync, type Plan } from '../../model/plan.ts';
import type { Prepared, Undesired } from '../../orchestrator/port.ts';
import { acceptDeclared } from '../apply/require-trust.ts';
import { engineEventId } from '../inspect/lifecycle-events.ts';
import { type PruneRules, planAnyway, planWork, type Work } from '../plan/plan-work.ts';
import type { Ports } from '../ports.ts';
import { createBackOff } from './back-off.ts';
import { followSource } from './follow-remote.ts';
import {
  declaredAs,
  heldBack,
  requireNoneHeld,
  rotationPauseMs,
  stoppedByPerson,
  stoppedElsewhere,
} from './hold-back.ts';
import { createKeeper } from './keeper.ts';
import { createProbes } from './probes.ts';
import { behindServers, createRun, type RunOptions } from './run.ts';
import { sayOnce } from './say-once.ts';
import { commitsOf, createSource, declaredOtherwise, runOrRepair, type Source, type SourceOptions } from './source.ts';
import type { Dependency } from './told.ts';
import { createWake, hearEngine, type Trigger } from './wake.ts';
import { planWithinRules } from './within-rules.ts';

export type WatchOptions = SourceOptions &
  Pick<RunOptions, 'timeoutMs' | 'abort' | 'atOnce'> & {
    readonly prune: PruneRules;
    readonly keep: number | undefined;
    /** Between two looks when nothing calls for one, ms; a tenth of it is left to chance. */
    readonly intervalMs: number;
    /** Throws where others apply the files to other engines by now: what is nowhere here may be there. */
    readonly requireSameEngines: () => Promise<void>;
    /** Tells of differences and changes nothing. */
    readonly dryRun: boolean;
    /** Calls `mark` for what may be a change, until the signal aborts. */
    readonly hints: (mark: (trigger: Trigger) => void, signal: AbortSignal) => void;
  };

/**
 * Keeps a project as its source declares it, until `stop` aborts: the plan and the run of `apply` in a loop. Everything
 * that calls for a look is a hint and the look decides, so a lost hint only delays. A source that cannot be read whole
 * changes nothing: what it said last stays in force. What fails is told once and tried again later; nothing of it throws.
 */
export async function watchProject(ports: Ports, options: WatchOptions): Promise<void> {
  const { project, tell, record, stop, dryRun, intervalMs } = options;
  const wake = createWake(ports);
  const backOff = createBackOff(project, { memory: ports.findings, now: ports.now, random: Math.random });
  const said = sayOnce(tell);
  const keeper = createKeeper(ports, project);
  /** The id of the last event of each server. */
  const lastEvents = new Map<ServerName, string>();
  /** Which stream of the engine's events is open; what happened between two of them was told to nobody. */
  let stream: number | undefined;
  let streams = 0;
  const probes = createProbes(ports, project, tell, (server) =>
    stream === undefined ? undefined : `${stream} ${lastEvents.get(server) ?? ''}`,
  );
  record.probedBy(probes.stateOf);
  let inSync: boolean | undefined;
  let lastRotation = Number.NEGATIVE_INFINITY;
  /** Looks in a row that failed, or whose plan was of something else by the time it could be carried out. */
  let troubles = 0;
  const source = createSource(ports, options, said, probes.setServers);
  const carryOut = createRun(ports, {
    ...options,
    backOff,
    probes,
    eventBefore: (server) => lastEvents.get(server),
    onRotation: () => {
      lastRotation = ports.monotonicMs();
    },
  });

  const isWaiting = async (server: DeclaredServer): Promise<boolean> =>
    (await backOff.waiting(server.spec.name, declaredAs(server))) !== undefined;
  const plan = async (
    { loaded, policies }: Source,
    only?: readonly ServerName[],
    planning: typeof planWork = planWork,
  ): Promise<Work> => {
    const { servers, recipes } = loaded;
    const unhealthy = dryRun ? new Map() : await probes.toReplace(isWaiting);
    const undesired: Undesired = options.prune.prune ? 'remove' : 'warn';
    return planning(
      ports,
      {
        kind: 'files',
        project,
        servers,
        recipes,
        undesired,
        keep: options.keep,
        only,
        unhealthy,
      },
      { policies, prune: options.prune },
    );
  };

  const holdingBack = ({ loaded: { servers } }: Source): Parameters<typeof heldBack>[1] => {
    const mayRotate = ports.monotonicMs() - lastRotation >= rotationPauseMs;
    return { ports, backOff, servers, mayRotate };
  };

  /** The plan without what is left alone for now, and without what breaks a rule. */
  const planNow = async (now: Source): Promise<{ whole: Plan; work: Work; isWithinRules: boolean }> => {
    const { loaded } = now;
    const declared = loaded.servers.map(({ spec }) => spec.name);
    if (dryRun) {
      const work = await plan(now);
      said.warned(work.plan.warnings);
      const left = await stoppedByPerson(ports, work.plan);
      record.looked({ servers: loaded.servers, plan: work.plan, work, dryRun, left });
      return { whole: work.plan, work, isWithinRules: true };
    }
    const planPart = (part?: readonly ServerName[], source = now): ReturnType<typeof planWithinRules<Work>> =>
      planWithinRules({
        plan: (only = part) => plan(source, only),
        planAnyway: () => plan(source, part, planAnyway),
        declared: part ?? declared,
      });
    const { whole, work, refusal } = await planPart();
    if (refusal !== undefined) said.refused(failureOf(refusal));
    // A plan that was made whatever the rules say has nothing of what they only warn of. A plan of less takes what it leaves
    // out for servers beside the files.
    const beside = work.plan.warnings.filter(({ server }) => server === undefined || !declared.includes(server));
    said.warned([...whole.plan.warnings, ...beside]);
    const holding = holdingBack(now);
    const held = await heldBack(work, holding);
    said.left(held);
    record.looked({ servers: loaded.servers, plan: whole.plan, work: whole, dryRun, left: held });
    const waits = [...held.values()].flatMap((left) => (left.why === 'waiting' ? [left.forMs] : []));
    if (waits.length > 0) wake.markAt('retry', ports.monotonicMs() + Math.min(...waits));
    // Where one may begin now, the look after it says when the next one may.
    if (!holding.mayRotate && [...held.values()].some(({ why }) => why === 'rotation-turn')) {
      wake.markAt('timer', lastRotation + rotationPauseMs);
    }
    if (held.size === 0) return { whole: whole.plan, work, isWithinRules: refusal === undefined };
    const { only = declared } = work.intent.kind === 'files' ? work.intent : {};
    const off = await stoppedElsewhere(whole.plan, held, holdingBack(now));
    const servers = loaded.servers.map((one) => off.get(one.spec.name) ?? one);
    // What is left alone may have been what made room for the rest.
    const rest = await planPart(
      only.filter((server) => off.has(server) || !held.has(server)),
      { ...now, loaded: { ...loaded, servers } },
    );
    const broken = refusal ?? rest.refusal;
    if (refusal === undefined && broken !== undefined) said.refused(failureOf(broken));
    return { whole: whole.plan, work: rest.work, isWithinRules: broken === undefined };
  };

  /** A look came to its end: what it needs is there, and what of its plan keeps to the rules is done. */
  const endWell = (isWithinRules: boolean): void => {
    said.back('engine');
    said.back('lock');
    if (isWithinRules) said.accepted();
    troubles = 0;
  };

  /** Looks again after a pause, which is longer each time until a look ends well. */
  const lookLater = (trigger: Trigger): void => {
    wake.markAt(trigger, ports.monotonicMs() + Math.min(intervalMs, firstRetryMs * 2 ** Math.min(troubles, 10)));
    troubles += 1;
  };

  const pass = async (triggers: readonly Trigger[]): Promise<void> => {
    await options.requireSameEngines();
    const now = await source.read();
    if (now === undefined) return;
    const { whole, work, isWithinRules } = await planNow(now);
    const servers = now.loaded.servers.length;
    if (inSync === undefined) tell({ type: 'watching', servers, plan: whole, ...commitsOf(now.loaded) });
    else if (isInSync(whole) && !inSync) tell({ type: 'in-sync', servers });
    inSync = isInSync(whole);
    if (dryRun) {
      said.drift(whole);
      return endWell(isWithinRules);
    }
    await acceptDeclared(ports, work);
    if (isInSync(work.plan)) return endWell(isWithinRules);
    const waiting = await backOff.waiting(behindServers, '');
    if (waiting !== undefined) return wake.markAt('retry', ports.monotonicMs() + waiting.forMs);
    try {
      const stillWanted = async (again: Prepared): Promise<void> => {
        await options.requireSameEngines();
        await source.requireSame(now, again);
        await requireNoneHeld(again, holdingBack(now));
      };
      const run = (part: Work): Promise<void> => carryOut(part, triggers, stillWanted);
      await runOrRepair(work, run, (servers) => plan(now, servers));
    } catch (error) {
      if (!isFailure(error, 'plan-stale')) throw error;
      const changed = options.remote === undefined ? 'files' : 'git';
      return lookLater(error === declaredOtherwise ? changed : 'retry');
    }
    // All is looked at once more, as more may have changed meanwhile.
    wake.mark('retry');
    endWell(isWithinRules);
  };

  const look = async (triggers: readonly Trigger[]): Promise<void> => {
    const started = ports.monotonicMs();
    let isWell = false;
    try {
      await pass(triggers);
      isWell = source.last() !== undefined;
    } finally {
      record.lookEnded((ports.monotonicMs() - started) / 1000, isWell);
    }
  };

  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (stop.aborted) return;
      const failure = failureOf(error);
      const what = awayFrom(error);
      if (what === undefined) said.refused(failure);
      else said.away(what, failure);
      lookLater('retry');
    }
  };

  /** Probes under way: one that takes its whole time to fail holds up neither a look nor the others. */
  const rounds = new Set<Promise<void>>();
  /** Whether a probe found what a look is needed for. */
  let hasNews = false;
  const nextProbe = (): void => {
    if (!dryRun && Number.isFinite(probes.nextAt())) wake.markAt('probe', probes.nextAt());
  };
  const probe = (): void => {
    const heard = (isNews: boolean): void => {
      hasNews ||= isNews;
      if (isNews) wake.mark('probe');
      nextProbe();
    };
    const round = guarded(async () => void (await probes.round(stop, heard))).finally(() => rounds.delete(round));
    rounds.add(round);
  };

  const followed =
    options.remote &&
    (await followSource(ports, options.remote, { intervalMs, stop, record, said, onChange: () => wake.mark('git') }));
  options.hints(wake.mark, stop);
  const onEvent = (event: EngineEvent): void => {
    lastEvents.set(event.server, engineEventId(event));
    keeper.hear(event);
  };
  const onStream = (isOpen: boolean): void => {
    streams += 1;
    stream = isOpen ? streams : undefined;
  };
  const heard = { mark: wake.mark, onStream, ...(dryRun ? {} : { onEvent }) };
  const hearing = hearEngine(ports, project, heard, stop);
  const listening = Promise.all([hearing, dryRun ? undefined : keeper.run(stop)]);
  wake.mark('start');
  for (;;) {
    const triggers = await wake.next(stop);
    if (stop.aborted) {
      await Promise.all([listening, followed?.following, ...rounds]);
      return probes.keep();
    }
    if (!dryRun) probe();
    if (hasNews || triggers.some((trigger) => trigger !== 'probe')) {
      hasNews = false;
      await guarded(() => look(triggers));
    }
    wake.markAt('timer', ports.monotonicMs() + intervalMs * (0.9 + 0.2 * Math.random()));
    nextProbe();
  }
}

/** When is looked again after a look that came to nothing, ms: doubling, up to the interval. */
const firstRetryMs = 1_000;
/** What is not there for now, when that is what an error means; it says nothing about the servers. */
function awayFrom(error: unknown): Dependency | undefined {
  if (!(error instanceof LoomsError)) return undefined;
  if (traitsOf(error.code).class === 'locked') return 'lock';
  if (error.code === 'source-unreachable') return 'repository';
  return traitsOf(error.code).ours ? 'engine' : undefined;
}
