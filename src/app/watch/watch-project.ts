import { createHash } from 'node:crypto';
import type { GitSource } from '../../files/port.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import type { EngineEvent } from '../../model/engine-events.ts';
import { LoomsError, traitsOf } from '../../model/errors.ts';
import { failureOf } from '../../model/failure.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { type Change, isInSync, isRotation, type Plan } from '../../model/plan.ts';
import type { Policies } from '../../model/policy.ts';
import { defined } from '../../model/values/defined.ts';
import type { ApplyReport, Undesired } from '../../orchestrator/port.ts';
import { applyWork } from '../apply/apply-plan.ts';
import { acceptDeclared } from '../apply/require-trust.ts';
import { engineEventId } from '../inspect/lifecycle-events.ts';
import type { LoadedSpecs } from '../plan/load-specs.ts';
import { type PruneRules, planWork, requirePolicy, type Work } from '../plan/plan-work.ts';
import type { Ports } from '../ports.ts';
import { createBackOff } from './back-off.ts';
import { followRemote } from './follow-remote.ts';
import { declaredAs, heldBack, rotationPauseMs } from './hold-back.ts';
import { createKeeper } from './keeper.ts';
import type { LoopRecord } from './loop-record.ts';
import { createProbes } from './probes.ts';
import { readStill } from './read-still.ts';
import { sayOnce } from './say-once.ts';
import type { Commits, Dependency, Told } from './told.ts';
import { createWake, hearEngine, type Trigger, triggerOf } from './wake.ts';

export type WatchOptions = {
  readonly project: ProjectName;
  /** Reads the policies; throws what keeps them from being used. */
  readonly readPolicies: () => Promise<Policies>;
  readonly prune: PruneRules;
  readonly keep: number | undefined;
  /** Between two looks when nothing calls for one, ms; a tenth of it is left to chance. */
  readonly intervalMs: number;
  /** Tells of differences and changes nothing. */
  readonly dryRun: boolean;
  /** Bound of one run of a plan, ms. */
  readonly timeoutMs: number | undefined;
  /** Reads the source, which these policies allow; throws what makes it unusable. */
  readonly read: (policies: Policies) => Promise<LoadedSpecs>;
  /** Where the source comes from, when that is a repository elsewhere. */
  readonly remote?: GitSource;
  /** Calls `mark` for what may be a change, until the signal aborts. */
  readonly hints: (mark: (trigger: Trigger) => void, signal: AbortSignal) => void;
  readonly tell: (told: Told) => void;
  readonly record: LoopRecord;
  /** First: begin nothing new. Second: stop now. */
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
};

/** How long the lock of somebody else's run is waited for before the loop goes on and looks again, ms. */
const lockPatienceMs = 5_000;

/** What was read last, and the policies of the last look: those may be newer. */
type Source = { readonly loaded: LoadedSpecs; readonly digest: string; readonly policies: Policies };

const commitsOf = ({ servers }: LoadedSpecs): Commits => {
  const [commitBy] = servers.flatMap(({ source }) => source.commitBy ?? []);
  return { commits: [...new Set(servers.flatMap(({ source }) => source.commit ?? []))], ...defined({ commitBy }) };
};

const digestOf = ({ servers }: LoadedSpecs): string =>
  createHash('sha256')
    .update(JSON.stringify(servers.map(({ spec, hash }) => [spec.name, hash, spec.enabled])))
    .digest('hex');

/**
 * Keeps a project as its source declares it, until `stop` aborts: the plan and the run of `apply` in a loop. Everything
 * that calls for a look is a hint and the look decides, so a lost hint only delays. A source that cannot be read whole
 * changes nothing: what it said last stays in force. What fails is told once and tried again later; nothing of it throws.
 */
export async function watchProject(ports: Ports, options: WatchOptions): Promise<void> {
  const { project, tell, record, stop, dryRun, intervalMs } = options;
  const wake = createWake(ports);
  const backOff = createBackOff(project, { memory: ports.findings, now: ports.now, random: Math.random });
  const probes = createProbes(ports, project, tell);
  record.probedBy(probes.stateOf);
  const said = sayOnce(tell);
  const keeper = createKeeper(ports, project);
  /** The id of the last event of each server. */
  const lastEvents = new Map<ServerName, string>();
  let source: Source | undefined;
  let inSync: boolean | undefined;
  let lastRotation = Number.NEGATIVE_INFINITY;
  /** Looks in a row that failed. */
  let troubles = 0;
  /** The plan that was begun in the last of them. */
  let tried: string | undefined;

  const readNow = (policies: Policies): Promise<LoadedSpecs> => {
    const read = () => options.read(policies);
    // What is taken of a repository is there whole, or not at all.
    if (options.remote !== undefined) return read();
    return readStill(ports, { read, digestOf, known: source?.digest, signal: stop });
  };

  const readSource = async (): Promise<Source | undefined> => {
    let policies = source?.policies ?? [];
    try {
      ports.forgetSecrets();
      policies = await options.readPolicies();
      const loaded = await readNow(policies);
      if (loaded.servers.length === 0) throw emptySource;
      const digest = digestOf(loaded);
      said.back('source');
      const commits = commitsOf(loaded);
      record.sourceRead(options.remote === undefined ? 'files' : 'git', commits);
      if (source !== undefined && source.digest !== digest) {
        tell({ type: 'source-changed', servers: loaded.servers.length, ...commits });
      }
      if (source?.digest !== digest) probes.setServers(loaded.servers);
      source = { loaded, digest, policies };
    } catch (error) {
      const failure = failureOf(error);
      said.unusable(failure, source === undefined ? null : source.loaded.servers.length);
      if (source === undefined) return undefined;
      source = { ...source, policies };
      requirePolicy(
        source.loaded.servers.map(({ spec }) => spec),
        policies,
        { project, now: ports.now() },
        noLongerAllowed,
      );
    }
    return source;
  };

  const plan = async ({ loaded, policies }: Source, only?: readonly ServerName[]): Promise<Work> => {
    const { servers, recipes } = loaded;
    const toReplace = dryRun ? [] : probes.toReplace();
    const undesired: Undesired = options.prune.prune ? 'remove' : 'warn';
    return planWork(
      ports,
      {
        kind: 'files',
        project,
        servers,
        recipes,
        undesired,
        keep: options.keep,
        only,
        replace: toReplace.filter((server) => only === undefined || only.includes(server)),
      },
      { policies, prune: options.prune },
    );
  };

  /** The plan without what is left alone for now. */
  const planNow = async (now: Source): Promise<{ whole: Plan; work: Work }> => {
    const { loaded } = now;
    const work = await plan(now);
    const looked = { servers: loaded.servers, plan: work.plan, work, dryRun };
    if (dryRun) {
      record.looked({ ...looked, left: new Map() });
      return { whole: work.plan, work };
    }
    const mayRotate = ports.monotonicMs() - lastRotation >= rotationPauseMs;
    const held = await heldBack(work.plan, { ports, backOff, servers: loaded.servers, mayRotate });
    said.left(held);
    record.looked({ ...looked, left: held });
    const waits = [...held.values()].flatMap((left) => (left.why === 'waiting' ? [left.forMs] : []));
    if (waits.length > 0) wake.markAt('retry', ports.monotonicMs() + Math.min(...waits));
    if ([...held.values()].some(({ why }) => why === 'rotation-turn')) {
      wake.markAt('timer', lastRotation + rotationPauseMs);
    }
    if (held.size === 0) return { whole: work.plan, work };
    const others = loaded.servers.map(({ spec }) => spec.name).filter((server) => !held.has(server));
    return { whole: work.plan, work: await plan(now, others) };
  };

  const carryOut = async (work: Work, triggers: readonly Trigger[]): Promise<void> => {
    const begun: Change[] = [];
    const newIn = ({ changes }: Plan): readonly Change[] => {
      const old = new Set(begun.map((change) => JSON.stringify(change)));
      return changes.filter((change) => change.action !== 'unchanged' && !old.has(JSON.stringify(change)));
    };
    const begin = (changes: readonly Change[], isTold: boolean) => {
      if (isTold) tell({ type: 'changing', triggers, changes });
      begun.push(...changes);
      probes.changing(begun.map(({ server }) => server));
      return record.changing(changes);
    };
    // What could not even begin is begun again without a word.
    const ended = begin(newIn(work.plan), tried !== work.plan.basis);
    tried = work.plan.basis;
    const started = ports.monotonicMs();
    const end = (result: string): void => ended((ports.monotonicMs() - started) / 1000, result);
    const report = await applyWork(ports, work, {
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      lockTimeoutMs: lockPatienceMs,
      // Whoever starts the loop agrees to whatever brings the engine in line, within the rules that the plan is held to.
      acceptNewPlan: (plan) => {
        const changes = newIn(plan);
        if (changes.length > 0) begin(changes, true);
        return true;
      },
      occasion: { trigger: triggerOf(triggers), eventBefore: (server) => lastEvents.get(server) },
      stopSignal: options.stop,
      abortSignal: options.abort,
      sink: record.stirred,
      onLockWait: () => {},
    }).catch((error: unknown) => {
      end('failed');
      throw error;
    });
    const { outcome, support } = report;
    end(outcome);
    tell({
      type: 'changed',
      outcome,
      servers: report.servers.filter((one) => one.outcome !== 'unchanged'),
      failures: support.map(({ failure }) => failure),
      milliseconds: Math.round(ports.monotonicMs() - started),
    });
    await settle(work.servers, report);
  };

  /** What was done is not done again at once; then all is looked at once more, as more may have changed meanwhile. */
  const settle = async (servers: readonly DeclaredServer[], report: ApplyReport): Promise<void> => {
    const { changes } = report.plan;
    const hashes = new Map(servers.map((one) => [one.spec.name, declaredAs(one)]));
    const changed = new Map(changes.map((change) => [change.server, change]));
    // What the time limit cut off would stall again; what the end of the loop cut off says nothing.
    const isCutOff = report.outcome === 'timed-out' && !stop.aborted;
    for (const { server, outcome, failure } of report.servers) {
      const change = changed.get(server);
      if (change === undefined || outcome === 'unchanged' || outcome === 'blocked') continue;
      if (outcome === 'interrupted' && !isCutOff) continue;
      if (isRotation(change)) lastRotation = ports.monotonicMs();
      probes.settled(server, outcome === 'done');
      const end = {
        ok: outcome === 'done',
        why: failure?.message ?? (isCutOff ? 'it took longer than --timeout' : outcome),
      };
      await backOff.repaired(server, hashes.get(server) ?? '', end);
    }
    const [failed] = report.support;
    if (failed !== undefined) {
      await backOff.repaired(behindServers, '', { ok: false, why: failed.failure.message });
    }
    wake.mark('retry');
  };

  /** A look came to its end: what it needs is there, and its plan keeps to the rules. */
  const endWell = (): void => {
    said.back('engine');
    said.back('lock');
    said.accepted();
    troubles = 0;
    tried = undefined;
  };

  const pass = async (triggers: readonly Trigger[]): Promise<void> => {
    const now = await readSource();
    if (now === undefined) return;
    const { whole, work } = await planNow(now);
    const servers = now.loaded.servers.length;
    if (inSync === undefined) tell({ type: 'watching', servers, plan: whole, ...commitsOf(now.loaded) });
    else if (isInSync(whole) && !inSync) tell({ type: 'in-sync', servers });
    inSync = isInSync(whole);
    if (dryRun) {
      said.drift(whole);
      return endWell();
    }
    await acceptDeclared(ports, work);
    if (isInSync(work.plan)) return endWell();
    const waiting = await backOff.waiting(behindServers, '');
    if (waiting !== undefined) return wake.markAt('retry', ports.monotonicMs() + waiting.forMs);
    try {
      await carryOut(work, triggers);
    } finally {
      probes.changing([]);
    }
    endWell();
  };

  const look = async (triggers: readonly Trigger[]): Promise<void> => {
    const started = ports.monotonicMs();
    let isWell = false;
    try {
      await pass(triggers);
      isWell = source !== undefined;
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
      wake.markAt('retry', ports.monotonicMs() + Math.min(intervalMs, firstRetryMs * 2 ** Math.min(troubles, 10)));
      troubles += 1;
    }
  };

  /** Follows the repository; comes back with that once there is something to begin with. */
  const follow = (remote: GitSource): Promise<{ following: Promise<void> }> =>
    new Promise((begin) => {
      const following = followRemote(ports, remote, {
        intervalMs,
        signal: stop,
        heard: {
          onChange: () => wake.mark('git'),
          onWell: () => {
            record.sourceReached();
            said.back('repository');
            begin({ following });
          },
          onTrouble: (error) => {
            record.sourceAsked();
            said.away('repository', failureOf(error));
            if (remote.held() !== undefined) begin({ following });
          },
        },
      });
      following.then(() => begin({ following }));
    });

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

  const followed = options.remote && (await follow(options.remote));
  options.hints(wake.mark, stop);
  const onEvent = (event: EngineEvent): void => {
    lastEvents.set(event.server, engineEventId(event));
    keeper.hear(event);
  };
  const heard = { mark: wake.mark, ...(dryRun ? {} : { onEvent }) };
  const hearing = hearEngine(ports, project, heard, stop);
  const listening = Promise.all([hearing, dryRun ? undefined : keeper.run(stop)]);
  wake.mark('start');
  for (;;) {
    const triggers = await wake.next(stop);
    if (stop.aborted) {
      await Promise.all([listening, followed?.following, ...rounds]);
      return;
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

/** Whoever wants no server any more says so with `looms delete`: an empty folder is rather a mistake (docs/commands.md). */
const emptySource = new LoomsError('refused', 'the files hold no server', {
  hint: 'looms delete --all removes all servers of a project',
});

const noLongerAllowed = {
  message: 'what was declared last breaks the policy as it is now',
  hint: 'change the specs, or have the policy changed',
};

/** When is looked again after a look that failed, ms: doubling, up to the interval. */
const firstRetryMs = 1_000;
/** What stands behind the servers, among what is repaired: no server has such a name. */
const behindServers = '*';

/** What is not there for now, when that is what an error means; it says nothing about the servers. */
function awayFrom(error: unknown): Dependency | undefined {
  if (!(error instanceof LoomsError)) return undefined;
  if (traitsOf(error.code).class === 'locked') return 'lock';
  return traitsOf(error.code).ours ? 'engine' : undefined;
}
