import { isFailure, LoomsError, traitsOf } from '../../model/errors.ts';
import type { Failure, StepProgress, StepResult } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import type { HealthFinding } from '../../model/health.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import { planDifferences } from '../../model/plan/compare-plans.ts';
import type { Change } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import { planStale } from '../../orchestrator/common/plan-stale.ts';
import type { HeldLock } from '../../orchestrator/common/project-lock.ts';
import { brokenWayBack, reportOf } from '../../orchestrator/common/report.ts';
import { underLock } from '../../orchestrator/common/under-lock.ts';
import { type StepResults, walkPlan } from '../../orchestrator/common/walk-plan.ts';
import type { ApplyOptions, ApplyReport, Prepared } from '../../orchestrator/port.ts';
import { leases } from '../lock/leases.ts';
import { label } from '../model/names.ts';
import { isReady, type KubeObject } from '../model/objects.ts';
import { podsOf } from '../model/observed.ts';
import { isForbidden } from '../model/refusals.ts';
import { planIntent } from '../plan/plan-intent.ts';
import { type KubePrepared, recipesOf } from '../plan/prepare.ts';
import type { KubePlan, KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';
import { checkLock, performStep, type StepEnvironment } from './perform-step.ts';
import { createObject } from './requests.ts';

/** Steps at once unless something else is asked for: the nodes do the work, not this machine. */
const usualWidth = 16;

/** `Orchestrator.apply`. */
export async function applyPlan(
  ports: KubernetesPorts,
  confirmed: Prepared,
  options: ApplyOptions,
): Promise<ApplyReport> {
  const plan = confirmed.plan as KubePlan;
  if (plan.steps.length === 0) return reportOfRun(plan, new Map(), new Set());
  await makeNamespace(ports, plan);
  return underLock({ ...ports, engine: leases(ports.cluster) }, plan.project, options, (lock, bounded) =>
    applyLocked(ports, confirmed, bounded, lock),
  );
}

/** Whether a step makes the namespace of the project. */
const makesNamespace = (step: KubeStep): step is Extract<KubeStep, { op: 'put-object' }> =>
  step.op === 'put-object' && step.object.kind === 'Namespace' && step.over === undefined;

/** The lock stands in the project's namespace, which the first run makes. */
async function makeNamespace({ cluster }: KubernetesPorts, { steps }: KubePlan): Promise<void> {
  for (const step of steps.filter(makesNamespace)) {
    try {
      await createObject(cluster, step.object);
    } catch (error) {
      if (isForbidden(error)) throw cannotMake(step.object, error);
      if (!isFailure(error, 'engine-conflict')) throw error;
    }
  }
}

const cannotMake = ({ metadata: { name, labels = {} } }: KubeObject, cause: unknown): LoomsError =>
  new LoomsError('engine-rejected', `namespace ${name} is not there, and who looms is here may not make it`, {
    hint:
      `whoever may: \`kubectl create namespace ${name}\`, ` +
      `\`kubectl label namespace ${name} ${label.project}=${labels[label.project] ?? ''}\`, and rights in it (docs/kubernetes.md)`,
    cause,
  });

/** What a plan comes to beside its namespace, which the run that carries it out has made before it plans again. */
const essence = ({ changes, steps }: KubePlan): string =>
  JSON.stringify([changes, steps.filter((step) => !makesNamespace(step)).map(({ after: _, ...step }) => step)]);

async function applyLocked(
  ports: KubernetesPorts,
  confirmed: Prepared,
  options: ApplyOptions,
  lock: HeldLock,
): Promise<ApplyReport> {
  const prepared = await planIntent(ports, confirmed.intent);
  const isOther =
    prepared.plan.basis !== confirmed.plan.basis && essence(prepared.plan) !== essence(confirmed.plan as KubePlan);
  if (isOther && !options.acceptNewPlan(prepared.plan)) {
    const differences = planDifferences(confirmed.plan, prepared.plan);
    throw planStale('the cluster changed between the plan you confirmed and now', differences);
  }
  const warnings = await options.check(prepared);
  const healthy: HealthFinding[] = [];
  const env = environmentOf(ports, prepared, (finding) => healthy.push(finding));
  const perform = async (step: KubeStep, answered: Failure | undefined): Promise<StepResult> => {
    try {
      await checkLock(step, ports, lock, { signal: options.abortSignal });
      const progress = (update: StepProgress): void => options.sink({ type: 'step-progress', step, progress: update });
      return await performStep(step, env, answered, progress, { signal: options.abortSignal });
    } catch (error) {
      const failure = failureOf(error);
      return { result: traitsOf(failure.code).uncertain ? 'unknown' : 'failed', failure };
    }
  };
  const results = await walkPlan(prepared.plan.steps, {
    parallelism: options.parallelism ?? usualWidth,
    stopSignal: options.stopSignal,
    abortSignal: options.abortSignal,
    atOnceSignal: options.atOnceSignal,
    awaited: options.awaited,
    sink: options.sink,
    monotonicMs: ports.monotonicMs,
    perform,
  });
  const serving = prepared.observed.servers.filter((workload) => podsOf(workload).some(isReady));
  const plan = { ...prepared.plan, warnings: [...prepared.plan.warnings, ...warnings] };
  return { ...reportOfRun(plan, results, new Set(serving.map(({ server }) => server))), healthy };
}

function environmentOf(
  ports: KubernetesPorts,
  { intent, observed, servers }: KubePrepared,
  onHealthy: StepEnvironment['onHealthy'],
): StepEnvironment {
  const declared = new Map(servers.map((server) => [server.spec.name, server]));
  return {
    ports,
    observed,
    recipes: recipesOf(intent),
    written: new Map(),
    begun: new Map(),
    digests: new Map(),
    rollsBack: intent.kind === 'rollback',
    onHealthy,
    find: (name) => {
      const server = declared.get(name);
      if (server === undefined)
        throw new LoomsError('internal', `the plan names server ${name}, which was not declared`);
      return server;
    },
  };
}

/** Of a Deployment that did not pass its gate and is kept without pods; none of others. */
function keptNotice(step: KubeStep, results: StepResults): readonly Notice[] {
  if (step.op !== 'undo-create' || !step.keeps || results.get(step.id)?.result !== 'ok') return [];
  const message = `Deployment ${step.name} is kept, without pods: \`looms logs ${step.server} --previous\` shows what it wrote`;
  return [{ code: 'container-kept', ...defined({ server: step.server }), message }];
}

/** What a walked plan came to; `serving`: the servers that had a pod that served before it. */
function reportOfRun(plan: KubePlan, results: StepResults, serving: ReadonlySet<ServerName>): ApplyReport {
  const stillServes = ({ server, action }: Change): boolean => {
    const back = plan.steps.find((step) => step.op === 'restore-server' && step.server === server);
    const result = back && results.get(back.id);
    // Its way back waits until a pod serves again. Where none was needed, nothing was taken away.
    if (result !== undefined && result.result !== 'skipped') return result.result === 'ok';
    return (action === 'replace' || action === 'scale') && serving.has(server);
  };
  return reportOf(plan, results, {
    stillServes,
    stillServingNotes: () => [],
    wayBackNotices: plan.steps.flatMap((step) => [...keptNotice(step, results), ...brokenWayBack(step, results)]),
  });
}
