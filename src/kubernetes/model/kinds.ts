/** Where the API server keeps objects of a kind: the folder of its group, and its name in it. */
const kinds = {
  Namespace: ['v1', 'namespaces'],
  ConfigMap: ['v1', 'configmaps'],
  Secret: ['v1', 'secrets'],
  Service: ['v1', 'services'],
  PersistentVolumeClaim: ['v1', 'persistentvolumeclaims'],
  Pod: ['v1', 'pods'],
  Event: ['v1', 'events'],
  Deployment: ['apps/v1', 'deployments'],
  ReplicaSet: ['apps/v1', 'replicasets'],
  NetworkPolicy: ['networking.k8s.io/v1', 'networkpolicies'],
  CiliumNetworkPolicy: ['cilium.io/v2', 'ciliumnetworkpolicies'],
  Lease: ['coordination.k8s.io/v1', 'leases'],
} as const;

export type Kind = keyof typeof kinds;

export const apiVersionOf = (kind: Kind): string => kinds[kind][0];

const rootOf = (version: string): string => (version.includes('/') ? `/apis/${version}` : `/api/${version}`);

/** Where the API server says which kinds the group of a kind has: 404 where it has no such group. */
export const discoveryPath = (kind: Kind): string => rootOf(apiVersionOf(kind));

/** What objects of a kind are called in addresses. */
export const pluralOf = (kind: Kind): string => kinds[kind][1];

/** The address of all objects of a kind, in a namespace or, without one, in the cluster. */
export function listPath(kind: Kind, namespace?: string): string {
  const [root, plural] = [discoveryPath(kind), pluralOf(kind)];
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}

/** The address of one object. */
export const objectPath = (kind: Kind, namespace: string | undefined, name: string): string =>
  `${listPath(kind, namespace)}/${encodeURIComponent(name)}`;
