import type { DeclaredServer } from '../../model/desired.ts';
import { assertNever, LoomsError } from '../../model/errors.ts';
import type { Failure, StepResult } from '../../model/events.ts';
import type { HealthFinding } from '../../model/health.ts';
import type { ServerName, StepId } from '../../model/ids.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { annotation, label } from '../model/names.ts';
import { isReady, type KubeObject, type Pod, runOf, serverStatus } from '../model/objects.ts';
import { idOfPod, meantOf, type Observed, type Workload } from '../model/observed.ts';
import { listOf, lookAtServer } from '../observe/observe.ts';
import type { KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';
import { servingPod } from '../views/serving.ts';
import { putServer, restored } from './put-server.ts';
import { annotate, createObject, deleteObject, replaceObject } from './requests.ts';
import { awaitRollout } from './rollout.ts';

/** What steps need besides the cluster; decisions are not among it. */
export type StepEnvironment = {
  readonly ports: KubernetesPorts;
  readonly observed: Observed;
  readonly find: (server: ServerName) => DeclaredServer;
  /** The Deployments that this run made, by the step. */
  readonly made: Map<StepId, KubeObject>;
  readonly onHealthy: (finding: HealthFinding) => void;
};

/** Steps that take something away: the lock is looked at before each. */
export const isDestructive = ({ op }: KubeStep): boolean =>
  op === 'delete-object' || op === 'undo-create' || op === 'restore-server' || op === 'put-server';

type Done = Extract<StepResult, { result: 'ok' }> | { readonly result: 'failed'; readonly failure: Failure };
const done: Done = { result: 'ok' };

/** Times that a probe fails before its container is begun again (`startupProbe`), and slack between two of them, s. */
const probes = { times: 3, slackSeconds: 10 } as const;

/** Carries one step out. A gate that refused is a result; everything else that fails is thrown. */
export async function performStep(
  step: KubeStep,
  env: StepEnvironment,
  answered: Failure | undefined,
  options: CallOptions,
): Promise<Done> {
  const { ports, observed } = env;
  const { cluster } = ports;
  const { namespace } = observed;
  switch (step.op) {
    case 'put-object':
      if (step.over === undefined) await createUnlessThere(env, step.object, options);
      else await replaceObject(cluster, step.object, step.over, options);
      return done;
    case 'delete-object': {
      if (step.kind === 'Deployment') await keepLogs(env, requireServer(step), options);
      await deleteObject(cluster, { ...step, namespace }, options);
      return done;
    }
    case 'put-server': {
      const object = await putServer(ports, observed, env.find(requireServer(step)), step, options);
      env.made.set(step.id, object);
      return done;
    }
    case 'gate':
      return gate(step, env, options);
    case 'restore-server':
      return restore(step, env, answered, options);
    case 'undo-create': {
      const uid = env.made.get(step.madeBy)?.metadata.uid;
      if (uid === undefined) return done;
      await keepLogs(env, requireServer(step), options);
      await deleteObject(cluster, { kind: 'Deployment', namespace, name: step.name, uid }, options);
      return done;
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

/** The namespace is made before the lock, which stands in it: it may be there by now. */
async function createUnlessThere({ ports }: StepEnvironment, object: KubeObject, options: CallOptions): Promise<void> {
  try {
    await createObject(ports.cluster, object, options);
  } catch (error) {
    const isThere = error instanceof LoomsError && error.code === 'engine-conflict' && object.kind === 'Namespace';
    if (!isThere) throw error;
  }
}

/** Waits for a ready pod, and opens one session to it as any client would. */
async function gate(
  step: Extract<KubeStep, { op: 'gate' }>,
  env: StepEnvironment,
  options: CallOptions,
): Promise<Done> {
  const { ports, observed } = env;
  const server = requireServer(step);
  const { spec } = env.find(server);
  const timeoutMs = probes.times * (2 * step.timeoutSeconds + probes.slackSeconds) * 1000;
  try {
    const { workload, pod, generation } = await awaitRollout(ports, observed, server, { ...options, timeoutMs });
    const serving = servingPod(observed.project, spec, generation.claim, pod);
    const signal = options.signal ?? new AbortController().signal;
    const outcome = await ports.gate(serving, { sessions: ports.sessions, signal });
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
    await keepLogsOf(env, workload, (one) => one !== pod && !isReady(one), options);
    return { result: 'ok', note: outcome.passed ? outcome.note : 'it answered, and is full of sessions by now' };
  } catch (error) {
    if (error instanceof LoomsError && gateCodes.has(error.code)) {
      const { code, message, hint, detail } = error;
      return { result: 'failed', failure: { code, message, detail, ...(hint === undefined ? {} : { hint }) } };
    }
    throw error;
  }
}

/** What says something of the server, and nothing of the cluster. */
const gateCodes: ReadonlySet<string> = new Set([
  'server-unhealthy',
  'image-pull-failed',
  'container-start-failed',
  'server-not-found',
]);

/** Characters of a failure that an annotation keeps. */
const longestFailure = 2000;

/** Takes a server back to the pods that served, and notes on those that failed what they failed with. */
async function restore(
  step: Extract<KubeStep, { op: 'restore-server' }>,
  { ports, observed }: StepEnvironment,
  answered: Failure | undefined,
  options: CallOptions,
): Promise<Done> {
  const server = requireServer(step);
  const { namespace } = observed;
  const there = await lookAtServer(ports, observed, server, options);
  const target = there?.generations.find(({ replicaSet }) => replicaSet.metadata.uid === step.replicaSet);
  if (there === null || target === undefined) {
    throw new LoomsError('engine-conflict', `what served before of ${server} is gone`, {
      hint: 'looms apply makes it as declared',
    });
  }
  const failed = meantOf(there);
  if (failed !== undefined && failed !== target) {
    const { code = 'interrupted', message = 'stopped before its gate', detail = [] } = answered ?? {};
    const text = [`${code}: ${message}`, ...tellingLines(detail, 5)]
      .map(ports.mask)
      .join('\n')
      .slice(0, longestFailure);
    await annotate(
      ports.cluster,
      { kind: 'ReplicaSet', namespace, name: failed.replicaSet.metadata.name },
      { [annotation.outcome]: 'gate-failed', [annotation.failure]: text },
      options,
    );
  }
  const { uid = '', resourceVersion = '' } = there.deployment.metadata;
  await replaceObject(ports.cluster, restored(there.deployment, target), { uid, resourceVersion }, options);
  return done;
}

/** Waits until no pod of a server is left; those that take longer go on ending by themselves. */
async function awaitGone(
  step: Extract<KubeStep, { op: 'await-gone' }>,
  { ports, observed }: StepEnvironment,
  options: CallOptions,
): Promise<Done> {
  const server = requireServer(step);
  const deadline = ports.monotonicMs() + step.seconds * 1000;
  for (;;) {
    if (options.signal?.aborted) throw new LoomsError('interrupted', `stopped waiting for the end of ${server}`);
    const pods = await listOf(
      ports.cluster,
      'Pod',
      observed.namespace,
      { labelSelector: `${label.server}=${server}` },
      options,
    );
    if (pods.length === 0) return done;
    if (ports.monotonicMs() >= deadline)
      return { result: 'ok', code: 'pods-stay', note: `${pods.length} of its pods are still being ended` };
    await ports.pause(250, options.signal);
  }
}

/** Keeps the logs of a server's pods, which go with them. */
async function keepLogs(env: StepEnvironment, server: ServerName, options: CallOptions): Promise<void> {
  const workload = await lookAtServer(env.ports, env.observed, server, options);
  if (workload !== null) await keepLogsOf(env, workload, () => true, options);
}

async function keepLogsOf(
  { ports, observed }: StepEnvironment,
  { server, generations }: Workload,
  which: (pod: Pod) => boolean,
  { signal }: CallOptions,
): Promise<void> {
  const place = { engine: observed.engine.id, project: observed.project };
  for (const { claim, pods } of generations) {
    const { recorded, foreignRecord, secretPrints, generation } = claim;
    for (const pod of pods.filter(which)) {
      const logged = {
        container: idOfPod(pod),
        server,
        generation,
        ...(recorded === undefined ? {} : { spec: recorded.spec }),
        ...(foreignRecord === undefined ? {} : { foreignRecord }),
        ...(secretPrints === undefined ? {} : { secretPrints }),
      };
      await ports.keepLog(place, logged, { sessions: ports.sessions, signal });
    }
  }
}
