/** What looms asks the API server for of one kind of objects: each verb, and why. */
export type NeededRight = {
  /** As access control names it: `deployments.apps`, `pods/exec`. */
  readonly resource: string;
  readonly verbs: Readonly<Record<string, string>>;
  /** Only objects of these names; absent: all. */
  readonly names?: readonly string[];
};

const lookAtStays = 'whether what servers stand on is as it was made';
const setBack = 'what somebody changed of it is set back; asked as a dry run to find that out';

/**
 * All rights that looms needs in the namespace of a project (docs/kubernetes.md, "In the cluster"). What is not here is not
 * asked for: `npm run rights` writes the role of `deploy/kubernetes` from this, and a test runs everything with no more.
 */
export const projectRights: readonly NeededRight[] = [
  {
    resource: 'namespaces',
    verbs: {
      get: 'whether the namespace is the project’s',
      patch: 'its labels are set back (Pod Security); asked as a dry run whether that may be',
    },
  },
  {
    resource: 'configmaps',
    verbs: { list: lookAtStays, create: 'the scripts that run in pods', update: setBack },
  },
  {
    resource: 'networkpolicies.networking.k8s.io',
    verbs: {
      list: lookAtStays,
      create: 'what pods reach and are reached by',
      update: setBack,
      delete: 'those that no server needs any more',
    },
  },
  {
    resource: 'services',
    verbs: {
      list: lookAtStays,
      create: 'the name of a server over HTTP',
      update: setBack,
      delete: 'those that no server needs any more',
    },
  },
  {
    resource: 'persistentvolumeclaims',
    verbs: { list: lookAtStays, create: 'named volumes', delete: '`looms prune --volumes`' },
  },
  {
    resource: 'secrets',
    verbs: {
      list: 'which of them nothing uses; only names and labels are asked for',
      create: 'the values that the pods of a server are given',
      delete: 'those of servers and generations that are gone',
    },
  },
  {
    resource: 'deployments.apps',
    verbs: {
      get: 'a server, while it is changed or a session is opened',
      list: 'the servers of the project',
      create: 'a server',
      update: 'a server that is changed, scaled, stopped or set back; asked as a dry run to find drift',
      delete: 'a server that is removed',
    },
  },
  {
    resource: 'replicasets.apps',
    verbs: {
      list: 'the generations of servers',
      patch: 'when a generation served, and with what one failed its gate',
    },
  },
  {
    resource: 'pods',
    verbs: {
      get: 'the pod that a session is opened in, or a log read of',
      list: 'what runs of servers',
      watch: 'what happens to them, for loops and gateways',
      patch: 'which go first where a server shall have fewer: those without sessions',
    },
  },
  { resource: 'pods/log', verbs: { get: '`looms mcp logs`, and why a server does not start' } },
  {
    resource: 'pods/exec',
    verbs: {
      get: 'a session is a process in a pod, over a web socket',
      create: 'the same: Kubernetes 1.35 and newer ask for both',
    },
  },
  { resource: 'events', verbs: { list: 'why a pod does not start' } },
  {
    resource: 'pods.metrics.k8s.io',
    verbs: { list: 'what pods take, where the cluster has a metrics API; else they are asked themselves' },
  },
  {
    resource: 'leases.coordination.k8s.io',
    verbs: {
      get: 'who holds the lock of the project',
      create: 'the lock is taken',
      update: 'the lock is kept while a run goes on',
      delete: 'the lock is given back',
    },
  },
];

/** Rights on the whole cluster that looms uses where it has them, and does without where it has not. */
export const clusterRights: readonly NeededRight[] = [
  { resource: 'nodes', verbs: { list: 'their number, CPUs and memory, for `looms doctor`' } },
  {
    resource: 'namespaces',
    verbs: { get: 'what tells the cluster from others, whichever address it has' },
    names: ['kube-system'],
  },
  {
    resource: 'namespaces',
    verbs: {
      list: 'all projects: `looms get --all-projects`, `looms doctor`',
      create: 'the namespace of a project that has none',
    },
  },
];

/** Rights on the whole cluster that `looms doctor --probe` needs: it makes a namespace of its own, and takes it away. */
export const probeRights: readonly NeededRight[] = [
  {
    resource: 'namespaces',
    verbs: {
      list: 'what probes left that were killed',
      create: 'the namespace of a probe',
      delete: 'that namespace, when it was tried',
    },
  },
  { resource: 'serviceaccounts', verbs: { get: 'whether pods can be made there by now' } },
  { resource: 'pods', verbs: { create: 'one that connects, and one that listens', get: 'whether they run' } },
  {
    resource: 'pods/exec',
    verbs: {
      get: 'what one pod reaches is tried in it, over a web socket',
      create: 'the same: Kubernetes 1.35 and newer ask for both',
    },
  },
  { resource: 'networkpolicies.networking.k8s.io', verbs: { create: 'the policy that is tried' } },
  { resource: 'events', verbs: { list: 'why a pod does not start' } },
];
