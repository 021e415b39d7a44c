import type { DeclaredServer } from '../../model/desired.ts';
import type { EngineTime } from '../../model/engine.ts';
import type { Unanswered } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { compareSpecs } from '../../model/plan/compare-specs.ts';
import { rotationDue } from '../../model/plan/rotation.ts';
import { type FieldDifference, isNonEmpty, type NonEmpty, type Reason } from '../../model/plan.ts';
import { boundsOf, compareCounts, within } from '../../model/replicas.ts';
import { withDigest } from '../model/image-digest.ts';
import { annotation, isSecretName, secretName } from '../model/names.ts';
import { isEnding, isLive, isReady, type KubeObject, serverStatus, timeOf } from '../model/objects.ts';
import { askedOf, type Generation, idOfPod, isAsleep, mainPod, meantOf, type Workload } from '../model/observed.ts';
import { hasServed } from '../model/served.ts';
import { isWaking } from '../model/waking.ts';
import type { ServerDrift } from './drift.ts';

/** What the decision about a server depends on besides its spec and what is there of it. */
export type AssessContext = {
  readonly now: EngineTime;
  readonly drift: ReadonlyMap<string, ServerDrift>;
  /** As in `Observed`. */
  readonly secrets: readonly KubeObject[];
  /** Calls counted so far, by pod. */
  readonly executions: ReadonlyMap<ContainerId, number>;
  /** Variables whose secrets have other values than its pods were given, by server. */
  readonly changedSecrets: ReadonlyMap<ServerName, NonEmpty<string>>;
  readonly replace: ReadonlySet<ServerName>;
  readonly unhealthy: ReadonlyMap<ServerName, Unanswered>;
  readonly rollbackTo: number | undefined;
  /** The digest that its image shall have; undefined: whatever its name means. */
  readonly pin: string | undefined;
};

/** A server that is there, held against what it should be. */
export type Assessed = {
  /** Why its pods are replaced; empty: they are what is wanted. */
  readonly stale: readonly Reason[];
  /** What is set back without that. */
  readonly beside: readonly Reason[];
  /** How its spec counts its pods otherwise by now; told with `stale` where that is of the spec, too. */
  readonly counts: readonly Reason[];
  /** Why its pods that are right do not serve yet. */
  readonly waits: readonly Reason[];
  /** All that somebody has changed by hand. */
  readonly drift: readonly FieldDifference[];
};

const noDrift: ServerDrift = { ofPods: [], beside: [] };

function specReasons(server: DeclaredServer, { claim }: Workload): readonly Reason[] {
  if (claim.recorded === undefined) return [{ kind: 'unreadable-record' }];
  if (claim.specHash === server.hash) return [];
  const fields = [
    ...compareSpecs(claim.recorded, { spec: server.spec, image: server.image.ref }),
    ...compareCounts(claim.recorded.spec, server.spec),
  ];
  return isNonEmpty(fields) ? [{ kind: 'spec-changed', fields }] : [];
}

/** Whether what is gone back to had another image under the same name. */
function imageReasons(
  server: DeclaredServer,
  workload: Workload,
  { rollbackTo, pin }: AssessContext,
): readonly Reason[] {
  const now = meantOf(workload)?.claim.image?.digest;
  if (rollbackTo === undefined || pin === undefined || pin === now) return [];
  const { ref } = server.image;
  // One under another name is told as a change of the spec.
  if (workload.claim.recorded?.image !== ref) return [];
  const from = now === undefined ? ref : withDigest(ref, now);
  return [{ kind: 'image-changed', fields: [{ path: 'image', from, to: withDigest(ref, pin) }] }];
}

/** What only counts pods of a spec is no reason to replace them. */
function countReasons(server: DeclaredServer, { claim }: Workload): readonly Reason[] {
  if (claim.recorded === undefined || claim.specHash !== server.hash) return [];
  const fields = compareCounts(claim.recorded.spec, server.spec);
  return isNonEmpty(fields) ? [{ kind: 'spec-changed', fields }] : [];
}

/** A number of pods that somebody set by hand, beyond what the spec says that they were made from. */
function countDrift({ spec }: DeclaredServer, workload: Workload): readonly FieldDifference[] {
  const asked = askedOf(workload);
  const recorded = workload.claim.recorded?.spec;
  // One that was stopped is started; that is told as such.
  if (!spec.enabled || asked === 0 || recorded === undefined) return [];
  if (within(boundsOf(recorded), asked) === asked) return [];
  return [{ path: 'replicas', from: String(asked), to: String(within(boundsOf(spec), asked)) }];
}

/**
 * Secrets that looms made for a Deployment's pods and that are gone, or about to: a pod that is begun again would find none of its
 * values. One without a print a person makes, with whichever labels (`looms export`).
 */
function secretDrift({ server, deployment }: Workload, { secrets }: AssessContext): readonly FieldDifference[] {
  const { containers } = deployment.spec.template.spec;
  const named = new Set(
    containers.flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? [])),
  );
  const isThere = (name: string): boolean => secrets.some((one) => one.metadata.name === name && !isEnding(one));
  return [...named]
    .filter((name) => isSecretName(server, name) && name !== secretName(server) && !isThere(name))
    .map((name) => ({ path: `Secret ${name}`, from: 'none', to: 'there' }));
}

const driftReasons = (fields: readonly FieldDifference[]): readonly Reason[] =>
  isNonEmpty(fields) ? [{ kind: 'live-drift', fields }] : [];

/** Calls that the pods of a generation answered. */
export const callsOf = (generation: Generation | undefined, executions: AssessContext['executions']): number =>
  (generation?.pods ?? []).reduce((sum, pod) => sum + (executions.get(idOfPod(pod)) ?? 0), 0);

/**
 * What counts the age of a server: its generation, whichever pods it has had. Of one that may fall asleep it is the oldest of its
 * pods, as all of them go then; undefined where none is there.
 */
export function agedOf({ claim, replicaSet, pods }: Generation) {
  const aged = claim.recorded?.spec.scale?.min === 0 ? pods.find((pod) => !isEnding(pod)) : replicaSet;
  return aged && { id: idOfPod(aged), createdAt: timeOf(aged.metadata.creationTimestamp) };
}

function rotationReasons(server: DeclaredServer, workload: Workload, context: AssessContext): readonly Reason[] {
  const meant = meantOf(workload);
  const aged = meant && agedOf(meant);
  // What sleeps has nothing that grows old: a session that wakes it gets another pod.
  if (aged === undefined || isAsleep(workload)) return [];
  const due = rotationDue(server.spec.lifecycle, aged, context.now, callsOf(meant, context.executions));
  return due === undefined ? [] : [due];
}

/**
 * Whether a looms made a generation and was killed before its gate: it serves, and nothing would go back to it. What others
 * applied has no number (`looms export`), and a restart by `kubectl` has the number of what it began anew.
 */
function isUngated({ claim, replicaSet }: Generation, { generations }: Workload): boolean {
  const isCounted = replicaSet.metadata.annotations?.[annotation.generation] !== undefined;
  return isCounted && !generations.some((one) => one.claim.generation === claim.generation && hasServed(one));
}

/** Why the pods that are meant do not serve yet, or have not passed their gate, or others are still there beside them. */
function waitReasons(workload: Workload, now: EngineTime): readonly Reason[] {
  const meant = meantOf(workload);
  const ready = meant?.pods.filter(isReady).length ?? 0;
  if (meant !== undefined && ready > 0) {
    const others = workload.generations.filter((one) => one !== meant).flatMap(({ pods }) => pods);
    const isLeaving = others.some(isLive);
    // Once it has passed, one that is lost comes back by itself while the others serve.
    const isHalf = ready < askedOf(workload) && !hasServed(meant);
    return isLeaving || isHalf || isUngated(meant, workload) ? [{ kind: 'gate-pending' }] : [];
  }
  if (meant !== undefined && hasServed(meant) && isWaking(workload, now)) return [];
  const ended = meant && mainPod(meant);
  const status = ended && serverStatus(ended);
  const last = status?.state?.terminated ?? status?.lastState?.terminated;
  if (last === undefined) return [{ kind: 'gate-pending' }];
  return [{ kind: 'exited', exitCode: last.exitCode, outOfMemory: last.reason === 'OOMKilled' }];
}

/** Holds a server that is there against its spec. Pure; the same input gives the same reasons in the same order. */
export function assess(server: DeclaredServer, workload: Workload, context: AssessContext): Assessed {
  const { name, enabled } = server.spec;
  const drift = context.drift.get(name) ?? noDrift;
  const ofPods = [...drift.ofPods, ...secretDrift(workload, context)];
  const secrets = context.changedSecrets.get(name);
  const silent = context.unhealthy.get(name);
  // Another loop, a person or the Deployment itself may have replaced the pod that was asked.
  const unanswered = meantOf(workload)?.pods.some((pod) => idOfPod(pod) === silent?.container)
    ? silent?.why
    : undefined;
  const stale: readonly Reason[] = [
    ...specReasons(server, workload),
    ...imageReasons(server, workload, context),
    ...driftReasons(ofPods),
    ...(secrets === undefined ? [] : [{ kind: 'secret-changed', variables: secrets } as const]),
    ...(unanswered === undefined ? [] : [{ kind: 'unhealthy', why: unanswered } as const]),
    ...rotationReasons(server, workload, context),
    ...(context.replace.has(name) ? [{ kind: 'requested' } as const] : []),
  ];
  const asked: readonly Reason[] =
    context.rollbackTo === undefined || stale.length === 0
      ? []
      : [{ kind: 'requested', detail: `rollback to generation ${context.rollbackTo}` }];
  const beside = [...drift.beside, ...countDrift(server, workload)];
  return {
    stale: [...asked, ...stale],
    beside: driftReasons(beside),
    counts: countReasons(server, workload),
    waits: enabled && askedOf(workload) > 0 ? waitReasons(workload, context.now) : [],
    drift: [...ofPods, ...beside],
  };
}
