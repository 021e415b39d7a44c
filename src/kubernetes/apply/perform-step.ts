import type { Recipe } from '../../model/container/recipe.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { assertNever, LoomsError, traitsOf } from '../../model/errors.ts';
import type { Failure, StepProgress, StepResult } from '../../model/events.ts';
import type { HealthFinding } from '../../model/health.ts';
import type { ServerName, StepId } from '../../model/ids.ts';
import { defined } from '../../model/values/defined.ts';
import type { HeldLock } from '../../orchestrator/common/project-lock.ts';
import type { GateOutcome } from '../../orchestrator/port.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { label } from '../model/names.ts';
import { isEnding, isOver, isReady, type KubeObject, type Pod, runOf, serverStatus } from '../model/objects.ts';
import { controllerOf, idOfPod, type Observed } from '../model/observed.ts';
import { listOf } from '../observe/observe.ts';
import { signedScripts } from '../plan/own-scripts.ts';
import type { KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';
import { servingPod } from '../views/serving.ts';
import { keepLogs, keepLogsOf } from './keep-logs.ts';
import { noteServed } from './note-served.ts';
import { backPatience, patiently } from './patience.ts';
import { publishImage } from './publish-image.ts';
import { putServer, putWithoutPods } from './put-server.ts';
import { createObject, deleteObject, labelNamespace, replaceObject } from './requests.ts';
import { restoreServer } from './restore.ts';
import { awaitRollout, gateMs, type RolledOut } from './rollout.ts';

/** What steps need besides the cluster; decisions are not among it. */
export type StepEnvironment = {
  readonly ports: KubernetesPorts;
  readonly observed: Observed;
  readonly find: (server: ServerName) => DeclaredServer;
  /** What images are built from, by their names here. */
  readonly recipes: ReadonlyMap<string, Recipe>;
  /** The Deployments as this run wrote them. */
  readonly written: Map<ServerName, KubeObject>;
  /** Which generations this run began to write: the answer to a write can be lost. */
  readonly begun: Map<ServerName, number>;
  /** By which pods pull the images that this run published, by the steps that did. */
  readonly digests: Map<StepId, string>;
  /** Whether an earlier generation is gone back to, so that the one that is left was given up. */
  readonly rollsBack: boolean;
  readonly onHealthy: (finding: HealthFinding) => void;
};

/** Steps that take something away. */
const isDestructive = (step: KubeStep): boolean =>
  ['delete-object', 'undo-create', 'restore-server', 'put-server', 'label-namespace'].includes(step.op) ||
  (step.op === 'put-object' && step.over !== undefined);

/** Looks before each step that takes something away whether the lock is still held; a way back waits for that. Throws `lock-lost`. */
export async function checkLock(
  step: KubeStep,
  ports: Pick<KubernetesPorts, 'monotonicMs' | 'pause'>,
  lock: Pick<HeldLock, 'check'>,
  options: CallOptions,
): Promise<void> {
  if (!isDestructive(step)) return;
  const patience = step.onFailureOf === undefined ? { ...backPatience, forMs: 0 } : backPatience;
  await patiently(ports, lock.check, { ...options, ...patience });
}

type Done = Extract<StepResult, { result: 'ok' }> | { readonly result: 'failed'; readonly failure: Failure };
const done: Done = { result: 'ok' };

/** Done, and a log could not be kept. */
const doneBut = (problem: string | undefined): Done =>
  problem === undefined ? done : { result: 'ok', code: 'log-not-kept', note: problem };

/** Carries one step out. A gate that refused is a result; everything else that fails is thrown. */
export async function performStep(
  step: KubeStep,
  env: StepEnvironment,
  answered: Failure | undefined,
  onProgress: (progress: StepProgress) => void,
  options: CallOptions,
): Promise<Done> {
  const { ports, observed } = env;
  const { cluster } = ports;
  const { namespace } = observed;
  switch (step.op) {
    case 'put-object': {
      const object = signedScripts(ports, observed, step.object);
      if (step.over === undefined) await createObject(cluster, object, options);
      else await replaceObject(cluster, object, step.over, options);
      return done;
    }
    case 'label-namespace':
      await labelNamespace(cluster, step, options);
      return done;
    case 'delete-object': {
      const problem = step.kind === 'Deployment' ? await keepLogs(env, requireServer(step), options) : undefined;
      await deleteObject(cluster, { ...step, namespace }, options);
      return doneBut(problem);
    }
    case 'publish-image': {
      const { digest, ...note } = await publishImage(step, env, onProgress, options);
      if (digest !== undefined) env.digests.set(step.id, digest);
      return { result: 'ok', ...note };
    }
    case 'put-server': {
      const server = requireServer(step);
      const problem = step.replicas.most === 0 ? await keepLogs(env, server, options) : undefined;
      const declared = env.find(server);
      const [published] = step.after.flatMap((id) => env.digests.get(id) ?? []);
      const digest = step.digest ?? published;
      const put = { ...step, ...defined({ digest }) };
      if (step.newPods) env.begun.set(server, step.generation);
      env.written.set(server, await putServer(ports, observed, declared, put, options));
      return doneBut(problem);
    }
    case 'gate':
      return gate(step, env, options);
    case 'restore-server': {
      const server = requireServer(step);
      const before = observed.servers.find((one) => one.server === server)?.deployment;
      const written = env.written.get(server);
      const last = written ?? before;
      // A conflict says that the write was not taken, and an answer that it was.
      const isKnown = written !== undefined || answered?.code === 'engine-conflict';
      const left = { last, begun: isKnown ? undefined : env.begun.get(server) };
      if (last !== undefined) await restoreServer(env, server, step, { ...left, last }, answered, options);
      return done;
    }
    case 'undo-create': {
      const server = requireServer(step);
      const uid = env.written.get(server)?.metadata.uid;
      if (uid === undefined) return done;
      const problem = await keepLogs(env, server, options);
      if (step.keeps) await putWithoutPods(ports, observed, { name: step.name, uid }, options);
      else await deleteObject(cluster, { kind: 'Deployment', namespace, name: step.name, uid }, options);
      return doneBut(problem);
    }
    case 'await-gone':
      return awaitGone(step, env, options);
    default:
      return assertNever(step);
  }
}

const requireServer = ({ id, server }: KubeStep): ServerName => {
  if (server === undefined) throw new LoomsError('internal', `step ${id} names no server`);
  return server;
};

/**
 * Waits until all pods are ready, and opens one session to one of them as any client would. Where that failed for what may be no
 * fault of the server's, it is done once more, with another pod where there is one.
 */
async function gate(
  step: Extract<KubeStep, { op: 'gate' }>,
  env: StepEnvironment,
  options: CallOptions,
): Promise<Done> {
  const { ports, observed } = env;
  const server = requireServer(step);
  const { spec } = env.find(server);
  const timeoutMs = gateMs(step.timeoutSeconds);
  const tryOne = async (before?: Pod): Promise<RolledOut & { readonly outcome: GateOutcome }> => {
    const rolledOut = await awaitRollout(ports, observed, server, { ...options, timeoutMs, enough: 'all' });
    const { generation } = rolledOut;
    if (generation.claim.generation !== step.generation) {
      throw new LoomsError('engine-conflict', `somebody has changed Deployment ${step.name} meanwhile`, {
        hint: 'looms diff shows it',
      });
    }
    const other = generation.pods.findLast((one) => isReady(one) && one.metadata.uid !== before?.metadata.uid);
    const pod = other ?? rolledOut.pod;
    const serving = servingPod(observed.project, spec, generation.claim, pod);
    const signal = options.signal ?? new AbortController().signal;
    return { ...rolledOut, pod, outcome: await ports.gate(serving, { sessions: ports.sessions, signal }) };
  };
  try {
    const first = await tryOne();
    const { workload, pod, generation, outcome } = isByChance(first.outcome) ? await tryOne(first.pod) : first;
    // What comes from this side, or from the way to the cluster, is no answer of the server's.
    if (!outcome.passed && traitsOf(outcome.failure.code).ours) throw asError(outcome.failure);
    // Clients come to a pod once it is ready, which it is by the same handshake (`startupProbe`): they were quicker.
    const isFull = !outcome.passed && outcome.failure.code === 'server-crowded';
    if (!outcome.passed && !isFull) return { result: 'failed', failure: outcome.failure };
    if (outcome.passed) {
      env.onHealthy({
        server,
        verdict: 'healthy',
        container: idOfPod(pod),
        run: runOf(serverStatus(pod)),
        tools: outcome.tools,
        detail: '',
      });
    }
    await keepLogsOf(env, workload, (one) => !generation.pods.includes(one), options);
    const problem = await noteServed(env, generation, pod, options);
    const note = outcome.passed ? outcome.note : 'it answered, and is full of sessions by now';
    return { result: 'ok', note: [note, ...(problem === undefined ? [] : [problem])].join('; ') };
  } catch (error) {
    if (error instanceof LoomsError && gateCodes.has(error.code)) {
      const { code, message, hint, detail } = error;
      return { result: 'failed', failure: { code, message, detail, ...(hint === undefined ? {} : { hint }) } };
    }
    throw error;
  }
}

/** Whether a session came to nothing for what another try may be spared: its pod ended, or the way to it broke. */
function isByChance(outcome: GateOutcome): boolean {
  if (outcome.passed) return false;
  const { retry } = traitsOf(outcome.failure.code);
  return retry === 'elsewhere' || ['engine-unreachable', 'engine-timeout'].includes(outcome.failure.code);
}

const asError = ({ code, message, hint, detail }: Failure): LoomsError =>
  new LoomsError(code, message, { hint, detail });

/** What says something of the server, and nothing of the cluster. */
const gateCodes: ReadonlySet<string> = new Set([
  'server-unhealthy',
  'image-pull-failed',
  'container-start-failed',
  'server-not-found',
]);

/** Between two looks at pods that end, ms. */
const lookMs = 250;

/** Whether a pod goes, or has to: one that was evicted stays as it is over, until it is cleared away itself. */
const goes = (pod: Pod): boolean => controllerOf(pod) !== undefined && (isEnding(pod) || !isOver(pod));

/**
 * Waits until all pods of a server are gone; those that take longer go on ending by themselves. A pod that was evicted
 * stays for the cluster to clear away, whatever its Deployment asks for, and one that no ReplicaSet keeps for whoever made it so. A look that fails for a reason that may pass is made
 * again (`patiently`).
 */
async function awaitGone(
  step: Extract<KubeStep, { op: 'await-gone' }>,
  { ports, observed }: StepEnvironment,
  options: CallOptions,
): Promise<Done> {
  const server = requireServer(step);
  const deadline = ports.monotonicMs() + step.seconds * 1000;
  const query = { labelSelector: `${label.server}=${server}` };
  const look = () => listOf(ports.cluster, 'Pod', observed.namespace, query, options);
  for (;;) {
    if (options.signal?.aborted) throw new LoomsError('interrupted', `stopped waiting for the end of ${server}`);
    const forMs = deadline - ports.monotonicMs();
    const pods = await patiently(ports, look, { ...options, forMs, pauseMs: lookMs });
    const { length } = (pods as readonly Pod[]).filter(goes);
    if (length === 0) return done;
    if (forMs <= 0) return { result: 'ok', code: 'pods-stay', note: `${length} of its pods are still being ended` };
    await ports.pause(lookMs, options.signal);
  }
}
