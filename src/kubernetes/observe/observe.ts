import { ledByName } from '../../model/container/egress.ts';
import type { ClusterDescription } from '../../model/engine.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import { asProjectName, namePattern, type ProjectName, type ServerName } from '../../model/ids.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { type Claim, type RecordReader, readClaim } from '../model/claims.ts';
import { apiVersionOf, type Kind, listPath, objectPath } from '../model/kinds.ts';
import { label, namespaceOf, workloadName } from '../model/names.ts';
import type { Deployment, KubeObject, Pod, ReplicaSet } from '../model/objects.ts';
import { generationsOf, type Observed, supportKey, type Workload } from '../model/observed.ts';
import { isForbidden } from '../model/refusals.ts';
import { straysOf } from '../model/strays.ts';
import type { Cluster } from '../port.ts';
import type { KubernetesPorts } from '../ports.ts';
import { clusterNow, identifyCluster } from './describe.ts';

type List = { readonly items?: readonly KubeObject[] };

/** All objects of a kind in a namespace; a list leaves their kind out. */
export async function listOf(
  cluster: Cluster,
  kind: Kind,
  namespace: string | undefined,
  query: Readonly<Record<string, string>> = {},
  options?: CallOptions,
): Promise<readonly KubeObject[]> {
  const list = (await cluster.request({ method: 'GET', path: listPath(kind, namespace), query }, options)) as List;
  return (list.items ?? []).map((one) => ({ ...one, apiVersion: apiVersionOf(kind), kind }));
}

/** An object, or null where it is not there. */
export async function findObject(
  cluster: Cluster,
  kind: Kind,
  namespace: string | undefined,
  name: string,
  options?: CallOptions,
): Promise<KubeObject | null> {
  try {
    return (await cluster.request({ method: 'GET', path: objectPath(kind, namespace, name) }, options)) as KubeObject;
  } catch (error) {
    if (isFailure(error, 'engine-not-found')) return null;
    throw error;
  }
}

/** A namespace, null where it is not there; undefined where it may not be looked at: rights in it need not be on it. */
async function findSpace(
  cluster: Cluster,
  name: string,
  options?: CallOptions,
): Promise<KubeObject | null | undefined> {
  try {
    return await findObject(cluster, 'Namespace', undefined, name, options);
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** What servers stand on, beside their namespace; of that only policies say something of the servers themselves. */
const supportKinds = ['ConfigMap', 'NetworkPolicy', 'Service', 'PersistentVolumeClaim'] as const;
const shownKinds = ['NetworkPolicy'] as const;

/** Policies of Cilium, where the cluster says that it has them; why, where they may not be listed. */
async function namePolicies(
  described: Promise<ClusterDescription>,
  list: () => Promise<readonly KubeObject[]>,
): Promise<readonly KubeObject[] | LoomsError> {
  if (!(await described).canLeadByName) return [];
  try {
    return await list();
  } catch (error) {
    // It may have lost them in between.
    if (isFailure(error, 'engine-not-found')) return [];
    if (isForbidden(error)) return error as LoomsError;
    throw error;
  }
}

type ObserveOptions = CallOptions & {
  /** Whether servers are only shown: then no names of Secrets are asked for, nor what else a plan alone needs. */
  readonly isShown?: boolean;
};

/** The Secrets of a project. Names alone: whoever plans needs no values, and does not get them. */
export async function secretsOf(
  cluster: Cluster,
  project: ProjectName,
  options?: CallOptions,
): Promise<readonly KubeObject[]> {
  const list = (await cluster.request(
    {
      method: 'GET',
      path: listPath('Secret', namespaceOf(project)),
      query: { labelSelector: `${label.project}=${project}` },
      accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    },
    options,
  )) as List;
  return list.items ?? [];
}

/** Whether pods of a server may have a policy of Cilium. */
const isLedByName = ({ claim, generations }: Workload): boolean =>
  [claim, ...generations.map((one) => one.claim)].some(
    ({ recorded }) => recorded !== undefined && ledByName(recorded.spec).length > 0,
  );

/** Lists what of a project is there; read-only. What cannot be listed is an error, never an empty list. */
export async function observe(
  cluster: Cluster,
  project: ProjectName,
  records: Pick<RecordReader, 'read' | 'makerOf' | 'hash'>,
  { isShown = false, ...options }: ObserveOptions = {},
): Promise<Observed> {
  const namespace = namespaceOf(project);
  const list = (kind: Kind) => listOf(cluster, kind, namespace, {}, options);
  const described = identifyCluster(cluster, options);
  const [engine, ofNames, now, space, deployments, replicaSets, pods, secrets, ...support] = await Promise.all([
    described,
    namePolicies(described, () => list('CiliumNetworkPolicy')),
    clusterNow(cluster, options),
    findSpace(cluster, namespace, options),
    list('Deployment'),
    // All of them: labels, by which servers' own could be asked for, are anybody's to take away.
    list('ReplicaSet'),
    list('Pod'),
    isShown ? [] : secretsOf(cluster, project, options),
    ...(isShown ? shownKinds : supportKinds).map((kind) => list(kind)),
  ]);
  const claimOf = (object: KubeObject) => readClaim(object, project, records);
  // One that says it is of a server and has another name than that one's is nobody's: two could say it.
  const isNamed = ({ metadata }: KubeObject, { server }: Claim): boolean => metadata.name === workloadName(server);
  const servers = (deployments as readonly Deployment[]).flatMap((deployment): readonly Workload[] => {
    const claim = claimOf(deployment);
    if (claim === undefined || !isNamed(deployment, claim)) return [];
    const generations = generationsOf(
      deployment,
      replicaSets as readonly ReplicaSet[],
      pods as readonly Pod[],
      claimOf,
    );
    return [{ server: claim.server, deployment, claim, generations }];
  });
  // Who leads no server by name needs no right to look at these.
  if (ofNames instanceof LoomsError && servers.some(isLedByName)) throw ofNames;
  return {
    project,
    namespace,
    engine,
    now,
    space,
    servers: servers.toSorted((a, b) => (a.server < b.server ? -1 : 1)),
    foreign: (deployments as readonly Deployment[]).filter(
      (one) => !servers.some(({ deployment }) => deployment === one),
    ),
    strays: straysOf(project, pods as readonly Pod[], replicaSets as readonly ReplicaSet[]),
    support: new Map(
      [...support.flat(), ...(ofNames instanceof LoomsError ? [] : ofNames)].map((object) => [
        supportKey(object),
        object,
      ]),
    ),
    secrets,
  };
}

/** A server as it is by now; null: its Deployment is gone. */
export async function lookAtServer(
  { cluster, settings }: Pick<KubernetesPorts, 'cluster' | 'settings'>,
  { project, namespace }: Pick<Observed, 'project' | 'namespace'>,
  server: ServerName,
  options?: CallOptions,
): Promise<Workload | null> {
  const ofServer = { labelSelector: `${label.server}=${server}` };
  const [deployment, replicaSets, pods] = await Promise.all([
    findObject(cluster, 'Deployment', namespace, workloadName(server), options),
    listOf(cluster, 'ReplicaSet', namespace, ofServer, options),
    listOf(cluster, 'Pod', namespace, ofServer, options),
  ]);
  const claimOf = (object: KubeObject) => readClaim(object, project, settings.records);
  const claim = deployment === null ? undefined : claimOf(deployment);
  if (deployment === null || claim === undefined) return null;
  const generations = generationsOf(
    deployment as Deployment,
    replicaSets as readonly ReplicaSet[],
    pods as readonly Pod[],
    claimOf,
  );
  return { server, deployment: deployment as Deployment, claim, generations };
}

/** Names of the projects that have a namespace of looms. Throws `engine-rejected` where namespaces may not be listed. */
export async function projectsOf(cluster: Cluster, options?: CallOptions): Promise<readonly ProjectName[]> {
  const path = listPath('Namespace');
  const list = (await cluster.request(
    { method: 'GET', path, query: { labelSelector: label.project } },
    options,
  )) as List;
  return (list.items ?? [])
    .flatMap(({ metadata }) => {
      const name = metadata.labels?.[label.project];
      // Anybody can write a label: one that is not its namespace's counts for nothing.
      return name !== undefined && namePattern.test(name) && metadata.name === namespaceOf(asProjectName(name))
        ? [asProjectName(name)]
        : [];
    })
    .toSorted();
}
