import { compareSpecs } from '../../model/compare-specs.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import type { EngineTime } from '../../model/engine.ts';
import type { Unanswered } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { type FieldDifference, isNonEmpty, type NonEmpty, type Reason } from '../../model/plan.ts';
import { rotationDue } from '../../model/rotation.ts';
import { withDigest } from '../model/image-digest.ts';
import { isReady, serverStatus, timeOf } from '../model/objects.ts';
import { type Generation, idOfPod, mainPod, meantOf, type Workload } from '../model/observed.ts';
import type { ServerDrift } from './drift.ts';

/** What the decision about a server depends on besides its spec and what is there of it. */
export type AssessContext = {
  readonly now: EngineTime;
  readonly drift: ReadonlyMap<string, ServerDrift>;
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
  /** Why its pods that are right do not serve yet. */
  readonly waits: readonly Reason[];
  /** All that somebody has changed by hand. */
  readonly drift: readonly FieldDifference[];
};

const noDrift: ServerDrift = { ofPods: [], beside: [] };

function specReasons(server: DeclaredServer, { claim }: Workload): readonly Reason[] {
  if (claim.recorded === undefined) return [{ kind: 'unreadable-record' }];
  if (claim.specHash === server.hash) return [];
  const fields = compareSpecs(claim.recorded, { spec: server.spec, image: server.image.ref });
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

const driftReasons = (fields: readonly FieldDifference[]): readonly Reason[] =>
  isNonEmpty(fields) ? [{ kind: 'live-drift', fields }] : [];

/** Calls that the pods of a generation answered. */
export const callsOf = (generation: Generation | undefined, executions: AssessContext['executions']): number =>
  (generation?.pods ?? []).reduce((sum, pod) => sum + (executions.get(idOfPod(pod)) ?? 0), 0);

/** What counts the age of a server: its generation, whichever pods it has had. */
export const agedOf = ({ replicaSet }: Generation) => ({
  id: idOfPod(replicaSet),
  createdAt: timeOf(replicaSet.metadata.creationTimestamp),
});

function rotationReasons(server: DeclaredServer, workload: Workload, context: AssessContext): readonly Reason[] {
  const meant = meantOf(workload);
  const due =
    meant && rotationDue(server.spec.lifecycle, agedOf(meant), context.now, callsOf(meant, context.executions));
  return due === undefined ? [] : [due];
}

/** Why the pods that are meant do not serve yet, or others are still there beside them. */
function waitReasons(workload: Workload): readonly Reason[] {
  const meant = meantOf(workload);
  if (meant?.pods.some(isReady)) {
    const others = workload.generations.filter((one) => one !== meant).flatMap(({ pods }) => pods);
    return others.some(({ metadata }) => metadata.deletionTimestamp === undefined) ? [{ kind: 'gate-pending' }] : [];
  }
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
  const secrets = context.changedSecrets.get(name);
  const silent = context.unhealthy.get(name);
  // Another loop, a person or the Deployment itself may have replaced the pod that was asked.
  const unanswered = meantOf(workload)?.pods.some((pod) => idOfPod(pod) === silent?.container)
    ? silent?.why
    : undefined;
  const replicas = workload.deployment.spec.replicas ?? 1;
  const scaled: readonly FieldDifference[] =
    enabled && replicas > 1 ? [{ path: 'replicas', from: String(replicas), to: '1' }] : [];
  const stale: readonly Reason[] = [
    ...specReasons(server, workload),
    ...imageReasons(server, workload, context),
    ...driftReasons(drift.ofPods),
    ...(secrets === undefined ? [] : [{ kind: 'secret-changed', variables: secrets } as const]),
    ...(unanswered === undefined ? [] : [{ kind: 'unhealthy', why: unanswered } as const]),
    ...rotationReasons(server, workload, context),
    ...(context.replace.has(name) ? [{ kind: 'requested' } as const] : []),
  ];
  const asked: readonly Reason[] =
    context.rollbackTo === undefined || stale.length === 0
      ? []
      : [{ kind: 'requested', detail: `rollback to generation ${context.rollbackTo}` }];
  const beside = [...drift.beside, ...scaled];
  return {
    stale: [...asked, ...stale],
    beside: driftReasons(beside),
    waits: enabled && replicas > 0 ? waitReasons(workload) : [],
    drift: [...drift.ofPods, ...beside],
  };
}
