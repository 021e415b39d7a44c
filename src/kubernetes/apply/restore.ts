import { isFailure, LoomsError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import type { ServerName } from '../../model/ids.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { annotation } from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import { type Generation, meantOf, type Observed, type Workload } from '../model/observed.ts';
import { lookAtServer } from '../observe/observe.ts';
import { withReplicas } from '../plan/drift.ts';
import { contentOf } from '../plan/over.ts';
import type { KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';
import { keepLogsOf } from './keep-logs.ts';
import { backPatience, patiently } from './patience.ts';
import { restored, writeTries } from './put-server.ts';
import { annotate, replaceObject } from './requests.ts';
import { awaitRollout } from './rollout.ts';

/** How long the pods that served may take to be ready again once a node has them (`awaitRollout`), ms. */
const againMs = 60_000;

/** Characters of a failure that an annotation keeps. */
const longestFailure = 2000;

type RestoreStep = Extract<KubeStep, { op: 'restore-server' }>;

/**
 * A Deployment as it was left: as this run wrote it, else as the plan saw it. `begun`: the generation that this run began to write
 * over that, and of which it does not know whether the cluster took it.
 */
type Left = { readonly last: KubeObject; readonly begun?: number | undefined };
type Place = { readonly ports: KubernetesPorts; readonly observed: Observed };

/**
 * Takes a server back to the pods that served, waits until one of them does unless it slept, and notes on those that failed
 * what they failed with. An API server that is away is waited for (`backPatience`): it may be what the step before failed for.
 * Throws `engine-conflict` where somebody has changed the Deployment since it was `left`: a person may be mending it.
 */
export async function restoreServer(
  place: Place,
  server: ServerName,
  step: RestoreStep,
  left: Left,
  answered: Failure | undefined,
  options: CallOptions,
): Promise<void> {
  const { ports, observed } = place;
  const patience = { ...options, ...backPatience };
  const back = await patiently(ports, writerBack(place, server, step, left, options), patience);
  if (back === undefined) return;
  const { failed } = back;
  if (failed !== undefined) await patiently(ports, () => noteFailure(place, failed, answered, options), patience);
  if (!step.sleeps) await awaitRollout(ports, observed, server, { ...options, timeoutMs: againMs, enough: 'one' });
}

/** What was gone back from; no generation where the Deployment's controller had not made it yet. */
type Back = { readonly failed: Generation | undefined };

/** Writes what served over a Deployment, once however often it is called; undefined: nothing else was written since. */
function writerBack(place: Place, server: ServerName, step: RestoreStep, left: Left, options: CallOptions) {
  // What it has begun to write over: the answer to a write can be lost.
  let begun: Back | undefined;
  return async (): Promise<Back | undefined> => {
    for (let tries = 1; ; tries += 1) {
      const { there, target } = await lookForTarget(place, server, step, options);
      if (begun !== undefined && there.claim.generation === step.generation) return begun;
      if (!isAsLeft(there, left)) throw changedSince(step);
      const meant = meantOf(there);
      // Nothing was written: the step that should have did not come to it.
      if (meant === target && there.claim.generation !== left.begun) return undefined;
      // What was written the Deployment's controller may not have seen yet.
      const failed = meant === target ? undefined : meant;
      await keepLogsOf(place, there, (pod) => failed?.pods.includes(pod) === true, options);
      const { uid = '', resourceVersion = '' } = there.deployment.metadata;
      const again = restored(there.deployment, target);
      const object = step.sleeps ? withReplicas(again, 0) : again;
      begun = { failed };
      try {
        await replaceObject(place.ports.cluster, object, { uid, resourceVersion }, options);
        return begun;
      } catch (error) {
        if (!isFailure(error, 'engine-conflict') || tries >= writeTries) throw error;
      }
    }
  };
}

async function lookForTarget(
  { ports, observed }: Place,
  server: ServerName,
  step: RestoreStep,
  options: CallOptions,
): Promise<{ readonly there: Workload; readonly target: Generation }> {
  const there = await lookAtServer(ports, observed, server, options);
  const target = there?.generations.find(({ replicaSet }) => replicaSet.metadata.uid === step.replicaSet);
  if (there === null || target === undefined) {
    throw new LoomsError('engine-conflict', `what served before of ${server} is gone`, {
      hint: 'looms apply makes it as declared',
    });
  }
  return { there, target };
}

const changedSince = ({ name }: RestoreStep): LoomsError =>
  new LoomsError('engine-conflict', `somebody has changed Deployment ${name} meanwhile: it is left as it is`, {
    hint: 'looms diff shows it',
  });

/** Whether nobody asked for something else since; how many pods a server has that is scaled says whoever serves it. */
function isAsLeft({ deployment, claim }: Workload, { last, begun }: Left): boolean {
  const { uid, generation = 0 } = deployment.metadata;
  if (uid !== last.metadata.uid) return false;
  const isScaled = claim.recorded?.spec.scale !== undefined;
  // The write that the run did not hear of is the only one since.
  if (claim.generation === begun && (isScaled || generation === (last.metadata.generation ?? 0) + 1)) return true;
  if (!isScaled) return generation === last.metadata.generation;
  return contentOf(deployment, true) === contentOf(last, true);
}

async function noteFailure(
  { ports, observed }: Place,
  { replicaSet }: Generation,
  answered: Failure | undefined,
  options: CallOptions,
): Promise<void> {
  const { code = 'interrupted', message = 'stopped before its gate', detail = [] } = answered ?? {};
  const lines = [`${code}: ${message}`, ...tellingLines(detail, 5)].map(ports.mask);
  await annotate(
    ports.cluster,
    { kind: 'ReplicaSet', namespace: observed.namespace, name: replicaSet.metadata.name },
    { [annotation.outcome]: 'gate-failed', [annotation.failure]: lines.join('\n').slice(0, longestFailure) },
    options,
  );
}
