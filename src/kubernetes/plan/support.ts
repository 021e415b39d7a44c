import { asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import { type FieldDifference, isNonEmpty, type Reason, type SupportChange } from '../../model/plan.ts';
import type { Kind } from '../model/kinds.ts';
import { isOurLabel, label } from '../model/names.ts';
import { asHeld, type KubeObject } from '../model/objects.ts';
import { isOurs, type Observed, supportKey } from '../model/observed.ts';
import type { FoundDrift } from './drift.ts';
import { overObject } from './over.ts';
import type { Operation, StepDraft } from './steps.ts';

/** What stands behind servers, and how it is made so. */
export type Support = { readonly changes: readonly SupportChange[]; readonly steps: readonly StepDraft[] };

type SupportInput = {
  readonly observed: Observed;
  /** As in `DecideInput`; the namespace first. */
  readonly support: readonly KubeObject[];
  readonly drift: Pick<FoundDrift, 'support'>;
  /** Servers whose records are nobody's here, or cannot be read: what stands behind them is left as it is. */
  readonly doubtful: ReadonlySet<ServerName>;
};

const words: Partial<Record<Kind, SupportChange['kind']>> = {
  Namespace: 'namespace',
  ConfigMap: 'scripts',
  NetworkPolicy: 'network',
  CiliumNetworkPolicy: 'network',
  Service: 'service',
  PersistentVolumeClaim: 'volume',
  Secret: 'secret',
};

/** What a plan calls an object that stands behind servers. */
export const wordFor = (kind: string | undefined): SupportChange['kind'] => words[kind as Kind] ?? 'scripts';

const changeOf = (object: KubeObject, action: SupportChange['action'], reason: Reason): SupportChange => ({
  kind: wordFor(object.kind),
  name: object.metadata.name,
  action,
  reasons: [reason],
});

const stepFor = (object: KubeObject, after: readonly StepId[], operation: Operation, why: string): StepDraft =>
  ({
    id: asStepId(`${operation.op}:${supportKey(object).replace(' ', ':')}`),
    cause: { kind: 'support', why },
    after,
    ...operation,
  }) as StepDraft;

/** Of which server an object is alone; undefined for what is of the project. */
export const serverOf = ({ metadata }: KubeObject): string | undefined => metadata.labels?.[label.server];

const isForeign = (live: KubeObject | null | undefined, { project }: Observed): boolean =>
  live != null && !isOurs(live, project);

/** What has a name that servers need and is somebody else's, with what is wanted in its place. */
export const takenNames = ({
  observed,
  support,
}: Pick<SupportInput, 'observed' | 'support'>): readonly { readonly wanted: KubeObject; readonly live: KubeObject }[] =>
  support.flatMap((wanted) => {
    const live = wanted.kind === 'Namespace' ? undefined : observed.support.get(supportKey(wanted));
    return live !== undefined && isForeign(live, observed) ? [{ wanted, live }] : [];
  });

/** What is made or set right before the servers: the namespace first, as all else is in it. */
export function supportBefore({ observed, support, drift }: SupportInput): Support {
  const changes: SupportChange[] = [];
  const steps: StepDraft[] = [];
  // What is in a namespace that is another's is not looked at: no server of it is made.
  if (isForeign(observed.space, observed)) return { changes, steps };
  for (const object of support) {
    if (object.kind === 'Namespace') {
      if (observed.space !== null) continue;
      changes.push(changeOf(object, 'create', { kind: 'missing' }));
      steps.push(stepFor(object, [], { op: 'put-object', object }, 'its servers are in it'));
      continue;
    }
    const live = observed.support.get(supportKey(object));
    if (isForeign(live, observed)) continue;
    const fields = drift.support.get(supportKey(object)) ?? [];
    const reason = live === undefined ? ({ kind: 'missing' } as const) : driftReason(fields);
    if (reason === undefined) continue;
    const after = steps.filter((one) => one.op === 'put-object' && one.object.kind === 'Namespace').map(({ id }) => id);
    const put: Operation =
      live === undefined
        ? { op: 'put-object', object }
        : { op: 'put-object', object: asHeld(object, live), over: overObject(live) };
    changes.push(changeOf(object, live === undefined ? 'create' : 'replace', reason));
    steps.push(stepFor(object, after, put, 'its servers stand on it'));
  }
  return { changes, steps };
}

const driftReason = (fields: readonly FieldDifference[]): Reason | undefined =>
  isNonEmpty(fields) ? { kind: 'live-drift', fields } : undefined;

/** Labels that a namespace shall have: others are those of the cluster, or of whoever else works on it, and stay. */
export function labelsToSet(wanted: KubeObject, live: KubeObject): Readonly<Record<string, string | null>> {
  const [shall, is] = [wanted.metadata.labels ?? {}, live.metadata.labels ?? {}];
  const missing = Object.entries(shall).filter(([key, value]) => is[key] !== value);
  const gone = Object.keys(is).filter((key) => isOurLabel(key) && shall[key] === undefined);
  return Object.fromEntries([...missing, ...gone.map((key) => [key, null] as const)]);
}

/** Whether pods that the namespace lets in now would be refused then. */
const isTighter = (labels: Readonly<Record<string, string | null>>): boolean =>
  typeof labels['pod-security.kubernetes.io/enforce'] === 'string';

/**
 * The labels of a namespace that is there. What lets in less waits for all gates: until then what served before may have to
 * come back. `gates`: the steps that are waited for.
 */
export function namespaceLabels(
  { observed, support, doubtful }: SupportInput,
  gates: readonly StepId[],
): Support & { readonly first: boolean } {
  const wanted = support.find(({ kind }) => kind === 'Namespace');
  const { space } = observed;
  const nothing = { changes: [], steps: [], first: false };
  // What a record says that nobody vouches for neither opens nor closes it.
  if (wanted === undefined || space == null || isForeign(space, observed) || doubtful.size > 0) return nothing;
  const labels = labelsToSet(wanted, space);
  const fields = Object.entries(labels).map(([key, value]) => ({
    path: `metadata.labels.${key}`,
    from: space.metadata.labels?.[key] ?? 'none',
    to: value ?? 'none',
  }));
  const reason = driftReason(fields);
  if (reason === undefined) return nothing;
  const after = isTighter(labels) ? gates : [];
  const { name, uid = '' } = space.metadata;
  const operation: Operation = { op: 'label-namespace', name, uid, labels };
  return {
    changes: [changeOf(wanted, 'replace', reason)],
    steps: [stepFor(wanted, after, operation, 'its servers are in it')],
    first: !isTighter(labels),
  };
}

const canBeLeftOver: ReadonlySet<string | undefined> = new Set(['NetworkPolicy', 'CiliumNetworkPolicy', 'Service']);

/**
 * What a server does not need any more and holds no data; what is of the project stays with its namespace. It goes when its
 * server's gate has passed: until then the pods that served may have to come back. `waitsFor`: undefined where it is kept.
 */
export function leftovers(
  { observed, support, doubtful }: SupportInput,
  waitsFor: (server: string) => readonly StepId[] | undefined,
): Support {
  const wanted = new Set(support.map(supportKey));
  const unused = [...observed.support.values()].flatMap((one) => {
    const server = serverOf(one);
    const isGone =
      canBeLeftOver.has(one.kind) &&
      isOurs(one, observed.project) &&
      one.metadata.labels?.[label.managedBy] === 'looms' &&
      !wanted.has(supportKey(one));
    const after = isGone && server !== undefined && !doubtful.has(server as ServerName) ? waitsFor(server) : undefined;
    return after === undefined ? [] : [{ one, after }];
  });
  return {
    changes: unused.map(({ one }) => changeOf(one, 'remove', { kind: 'not-in-spec' })),
    steps: unused.map(({ one, after }) =>
      stepFor(
        one,
        after,
        { op: 'delete-object', kind: one.kind as Kind, name: one.metadata.name, uid: one.metadata.uid ?? '' },
        'no server needs it',
      ),
    ),
  };
}
