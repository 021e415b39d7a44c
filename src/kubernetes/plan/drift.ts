import { isFailure } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import type { ServerName } from '../../model/ids.ts';
import type { FieldDifference, PlanWarning } from '../../model/plan.ts';
import { mapBounded } from '../../model/values/map-bounded.ts';
import type { ExportSettings } from '../../orchestrator/export.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { serverOfRecord } from '../../spec/record/record.ts';
import { compareObjects, comparePod, fieldManager, type ObjectDifference } from '../compare/compare-objects.ts';
import { type Kind, objectPath } from '../model/kinds.ts';
import { annotation, isSecretName, secretName, secretPrint } from '../model/names.ts';
import {
  type Deployment,
  isEnding,
  type KubeObject,
  type PodTemplate,
  reachContainer,
  revisionKey,
  serverContainer,
} from '../model/objects.ts';
import { meantOf, type Observed, pinnedDigest, supportKey, type Workload } from '../model/observed.ts';
import { isUnknownUser } from '../model/refusals.ts';
import { isNewer } from '../model/written.ts';
import { deploymentOf, type Made } from '../objects/objects.ts';
import { listOf } from '../observe/observe.ts';
import type { Cluster } from '../port.ts';
import { podsPrint } from './over.ts';

/** Requests that are under way at once: an API server gives one client a share of what it does at a time. */
const atOnce = 16;

/** What of a server is another than its record asks for. */
export type ServerDrift = {
  /** Setting it back replaces the pods. */
  readonly ofPods: readonly FieldDifference[];
  readonly beside: readonly FieldDifference[];
};

export type FoundDrift = {
  readonly servers: ReadonlyMap<string, ServerDrift>;
  /** Of what the cluster does not say what it would be, and why: nobody knows whether it was changed. */
  readonly unknown: readonly PlanWarning[];
  /** By `supportKey`. */
  readonly support: ReadonlyMap<string, readonly FieldDifference[]>;
};

/** The annotations of a Deployment that no spec says, as they are. */
const kept = [
  annotation.generation,
  annotation.signature,
  annotation.secrets,
  annotation.managedBy,
  annotation.stopped,
  revisionKey,
] as const;
const keptOfPods = [annotation.generation, 'kubectl.kubernetes.io/restartedAt'] as const;

const picked = (from: Readonly<Record<string, string>> | undefined, keys: readonly string[]) =>
  Object.fromEntries(keys.flatMap((key) => (from?.[key] === undefined ? [] : [[key, from[key]]])));

/**
 * The Secret that the pods of a Deployment take their secrets from: where it says with which values they were made that is
 * known, else it is the one that it names, but never another server's.
 */
function secretOf({ server, claim, deployment: { spec } }: Workload): string {
  if (claim.secretPrints !== undefined) return secretName(server, secretPrint(claim.secretPrints));
  const named = spec.template.spec.containers
    .flatMap(({ env = [] }) => env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name))
    .find((name) => name !== undefined && isSecretName(server, name));
  return named ?? secretName(server);
}

/** What was decided when a Deployment was made, as it says itself. */
export const madeAsThere = (workload: Workload): Made => ({
  secret: secretOf(workload),
  digest: pinnedDigest(workload),
  annotations: picked(workload.deployment.metadata.annotations, kept),
  podAnnotations: picked(workload.deployment.spec.template.metadata?.annotations, keptOfPods),
});

/** A Deployment that was stopped, and says so, as another one without pods may only sleep; or one that was not. */
export function withStop(object: KubeObject, isStopped: boolean): KubeObject {
  const { [annotation.stopped]: _, ...others } = object.metadata.annotations ?? {};
  const annotations = isStopped ? { ...others, [annotation.stopped]: 'true' } : others;
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** A Deployment with so many pods. */
export const withReplicas = (object: KubeObject, replicas: number): KubeObject => ({
  ...object,
  spec: { ...(object.spec as object), replicas },
});

/** A template whose container of this name has the image that it has in another one. */
function withImage(template: PodTemplate, name: string, from: PodTemplate): PodTemplate {
  const image = from.spec.containers.find((one) => one.name === name)?.image;
  if (image === undefined) return template;
  const containers = template.spec.containers.map((one) => (one.name === name ? { ...one, image } : one));
  return { ...template, spec: { ...template.spec, containers } };
}

/**
 * What the pods of a Deployment shall be, where `own` is what this looms would write. Where they are what one with the same key
 * wrote, the image of `reach` stays, which is a setting of the machine that made them, and so does all that a newer one writes;
 * else two would replace each other's pods for ever. The server's image is that of the record, whoever wrote it.
 */
function templateOf(workload: Workload, own: PodTemplate, managedBy: string): PodTemplate {
  const { deployment, claim } = workload;
  const { written, generation, specHash } = meantOf(workload)?.claim ?? {};
  const isOfRecord = generation === claim.generation && specHash === claim.specHash;
  if (written === undefined || !isOfRecord || written.print !== podsPrint(deployment)) return own;
  const live = deployment.spec.template;
  return isNewer(written.by, managedBy) ? withImage(live, serverContainer, own) : withImage(own, reachContainer, live);
}

/** The Deployment that its own record asks for; undefined where that cannot be read. */
export function asRecorded(workload: Workload, settings: ExportSettings): KubeObject | undefined {
  const { claim, deployment } = workload;
  if (claim.recorded === undefined) return undefined;
  const server = serverOfRecord(claim.recorded, { hash: claim.specHash, source: claim.source ?? '', directory: '' });
  const record = deployment.metadata.annotations?.[annotation.record] ?? '';
  const whole = deploymentOf(server, { ...settings, recordOf: () => record }, madeAsThere(workload));
  const source = deployment.metadata.annotations?.[annotation.source];
  const { metadata } = whole;
  const annotations = { ...metadata.annotations, ...(source === undefined ? {} : { [annotation.source]: source }) };
  const spec = whole.spec as Deployment['spec'];
  const template = templateOf(workload, spec.template, settings.managedBy);
  const object = { ...whole, metadata: { ...metadata, annotations }, spec: { ...spec, template } };
  // How many pods there are is told apart: somebody may have stopped the server.
  return withReplicas(object, deployment.spec.replicas ?? 1);
}

/** What the API server would make of an object; nothing is written. */
const dryRun = async (cluster: Cluster, object: KubeObject, options?: CallOptions): Promise<KubeObject> =>
  (await cluster.request(
    {
      method: 'PUT',
      path: objectPath(object.kind as Kind, object.metadata.namespace, object.metadata.name),
      query: { dryRun: 'All', fieldManager },
      body: object,
    },
    options,
  )) as KubeObject;

/** Why the API server makes nothing of an object; undefined where it was another error, or does not know who asks. */
function refusalText(error: unknown): string | undefined {
  return isFailure(error, 'engine-rejected') && !isUnknownUser(error) ? messageOf(error) : undefined;
}

/** Claims cannot be written over: what was asked for when one was made stays. */
const canBeCompared = ({ kind }: KubeObject): boolean => kind !== 'PersistentVolumeClaim';

type DriftOptions = CallOptions & {
  /** The servers that are looked at; absent: all. */
  readonly names?: readonly ServerName[];
};

/**
 * Looks for what somebody has changed by hand: what is there is held against what the API server would make of what looms
 * asks for, so that neither a default nor a webhook is taken for drift. What it makes nothing of, as a webhook refuses it or
 * knows no dry runs, is `unknown`. Throws what else it throws.
 */
export async function findDrift(
  cluster: Cluster,
  observed: Observed,
  support: readonly KubeObject[],
  settings: ExportSettings,
  { names, ...options }: DriftOptions = {},
): Promise<FoundDrift> {
  const unknown: PlanWarning[] = [];
  const asked = observed.servers.filter(({ server }) => names?.includes(server) !== false);
  const servers = mapBounded(asked, atOnce, async (workload) => {
    const wanted = asRecorded(workload, settings);
    if (wanted === undefined) return [];
    try {
      const found = compareObjects(workload.deployment, await dryRun(cluster, wanted, options));
      return [[workload.server, driftOf(workload, found)] as const];
    } catch (error) {
      const why = refusalText(error);
      if (why === undefined) throw error;
      unknown.push({ ...unknownOf('it', why), server: workload.server });
      // What was changed of its pods needs no dry run.
      return [[workload.server, driftOf(workload, [])] as const];
    }
  });
  const present = support.flatMap((wanted) => {
    const live = observed.support.get(supportKey(wanted));
    return live === undefined || !canBeCompared(wanted) ? [] : [{ wanted, live }];
  });
  const refused = new Map<string, string>();
  const objects = mapBounded(present, atOnce, async ({ wanted, live }) => {
    const key = supportKey(wanted);
    try {
      const found = await driftOfSupport(cluster, wanted, live, options);
      return [[key, found.map(({ field }) => field)] as const];
    } catch (error) {
      const why = refusalText(error);
      if (why === undefined) throw error;
      refused.set(key, why);
      return [];
    }
  });
  const [ofServers, ofObjects] = await Promise.all([servers, objects]);
  // What refuses one of them mostly refuses all of its kind.
  const [first, ...others] = [...refused.keys()].sort();
  if (first !== undefined) unknown.push(unknownOf([first, ...others].join(', '), refused.get(first) ?? ''));
  return { servers: new Map(ofServers.flat()), unknown, support: new Map(ofObjects.flat()) };
}

const unknownOf = (what: string, why: string): PlanWarning => ({
  code: 'drift-unknown',
  message: `what somebody changed of ${what} is not known: ${why}`,
});

/** Kinds that are the cluster's own may be written without saying over which version; what it was taught may not. */
const isTaught = ({ kind }: KubeObject): boolean => kind === 'CiliumNetworkPolicy';

/** What of an object is another than it would be. A version that is past by then, as a controller notes how it does, is looked at anew. */
async function driftOfSupport(
  cluster: Cluster,
  wanted: KubeObject,
  live: KubeObject,
  options?: CallOptions,
): Promise<readonly ObjectDifference[]> {
  if (!isTaught(wanted)) return compareObjects(live, await dryRun(cluster, wanted, options));
  const { namespace, name } = wanted.metadata;
  const { resourceVersion = '' } = live.metadata;
  try {
    const over = { ...wanted, metadata: { ...wanted.metadata, resourceVersion } };
    return compareObjects(live, await dryRun(cluster, over, options));
  } catch (error) {
    if (!isFailure(error, 'engine-conflict')) throw error;
    const query = { fieldSelector: `metadata.name=${name}` };
    const [now] = await listOf(cluster, wanted.kind as Kind, namespace, query, options);
    if (now === undefined || now.metadata.resourceVersion === resourceVersion) throw error;
    return driftOfSupport(cluster, wanted, now, options);
  }
}

function driftOf(workload: Workload, found: readonly ObjectDifference[]): ServerDrift {
  const meant = meantOf(workload);
  const ofPods = found.filter((one) => one.ofPods).map(({ field }) => field);
  const pods = (meant?.pods ?? []).filter((pod) => !isEnding(pod));
  const template = meant?.replicaSet.spec.template;
  const changed = template === undefined ? [] : pods.flatMap((pod) => comparePod(pod, template));
  return { ofPods: [...ofPods, ...changed], beside: found.filter((one) => !one.ofPods).map(({ field }) => field) };
}
