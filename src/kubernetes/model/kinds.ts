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
  Lease: ['coordination.k8s.io/v1', 'leases'],
} as const;

export type Kind = keyof typeof kinds;

export const apiVersionOf = (kind: Kind): string => kinds[kind][0];

/** The address of all objects of a kind, in a namespace or, without one, in the cluster. */
export function listPath(kind: Kind, namespace?: string): string {
  const [version, plural] = kinds[kind];
  const root = version.includes('/') ? `/apis/${version}` : `/api/${version}`;
  return namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}

/** The address of one object. */
export const objectPath = (kind: Kind, namespace: string | undefined, name: string): string =>
  `${listPath(kind, namespace)}/${encodeURIComponent(name)}`;
