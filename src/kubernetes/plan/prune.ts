import { asStepId } from '../../model/ids.ts';
import { basisOf } from '../../model/plan/plan-basis.ts';
import type { PlanWarning } from '../../model/plan.ts';
import type { PruneIntent } from '../../orchestrator/port.ts';
import type { Kind } from '../model/kinds.ts';
import { label } from '../model/names.ts';
import { claimsIn, type KubeObject, type Pod, type PodSpec } from '../model/objects.ts';
import { claimKey, isOurs, type Observed } from '../model/observed.ts';
import { namespaceLeft } from './namespace-left.ts';
import { type KubePlan, type StepDraft, stepText } from './steps.ts';
import { wordFor } from './support.ts';

/** Names of Secrets and claims that pods ask for: those of any generation of a server, and whoever else has some there. */
function namesUsed({ servers, foreign }: Observed, pods: readonly Pod[]): ReadonlySet<string> {
  const specs: readonly PodSpec[] = [
    ...pods.map(({ spec }) => spec),
    ...foreign.map(({ spec }) => spec.template.spec),
    ...servers.flatMap(({ deployment, generations }) => [
      deployment.spec.template.spec,
      ...generations.map(({ replicaSet }) => replicaSet.spec.template.spec),
    ]),
  ];
  return new Set(
    specs.flatMap((spec) => [
      ...spec.containers.flatMap(({ env = [] }) =>
        env.flatMap(({ valueFrom }) =>
          valueFrom?.secretKeyRef?.name === undefined ? [] : [`Secret ${valueFrom.secretKeyRef.name}`],
        ),
      ),
      ...claimsIn(spec).map(claimKey),
    ]),
  );
}

/** What a deleted server left goes with its Deployment; what is past of one that is there is a way back. */
const historyNotKept: PlanWarning = {
  code: 'history-not-kept',
  message:
    'a cluster keeps no records of deleted servers, so that --history removes none; past generations of servers that are there stay, as ways back',
};

/**
 * What nothing uses any more: Secrets of generations that are gone, and claims where those are asked for. `pods` are all of the
 * namespace.
 */
export function prunePlan(observed: Observed, { volumes, history }: PruneIntent, pods: readonly Pod[]): KubePlan {
  const used = namesUsed(observed, pods);
  const of = (kind: Kind, objects: readonly KubeObject[]) => objects.map((object) => ({ kind, object }));
  const claims = [...observed.support.values()].filter(({ kind }) => kind === 'PersistentVolumeClaim');
  const gone = [...of('Secret', observed.secrets), ...(volumes ? of('PersistentVolumeClaim', claims) : [])].filter(
    ({ kind, object }) =>
      isOurs(object, observed.project) &&
      object.metadata.labels?.[label.managedBy] === 'looms' &&
      !used.has(`${kind} ${object.metadata.name}`),
  );
  const steps = gone.map(({ kind, object: { metadata } }) => {
    const step: StepDraft = {
      id: asStepId(`delete-object:${kind}:${metadata.name}`),
      cause: { kind: 'support', why: 'nothing uses it any more' },
      after: [],
      op: 'delete-object',
      kind,
      name: metadata.name,
      uid: metadata.uid ?? '',
    };
    return { ...step, text: stepText(step) };
  });
  const { id, name, kind, version, apiVersion, endpoint } = observed.engine;
  return {
    schemaVersion: 1,
    project: observed.project,
    engine: { id, name, kind, version, apiVersion, endpoint },
    basis: basisOf({ changes: [], steps }),
    changes: [],
    support: gone.map(({ kind: is, object }) => ({
      kind: wordFor(is),
      name: object.metadata.name,
      action: 'remove',
      reasons: [{ kind: 'not-in-spec' }],
    })),
    images: [],
    steps,
    drift: [],
    rotations: [],
    warnings: [...(history ? [historyNotKept] : []), ...(observed.servers.length === 0 ? namespaceLeft(observed) : [])],
  };
}
