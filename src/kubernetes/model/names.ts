import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { SecretPrints } from '../../model/secrets/secret-prints.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';

/** What keys of labels and annotations begin with that are looms' own. */
export const ownPrefix = 'looms.dev/';

/** Keys of labels, which objects are found by. */
export const label = {
  project: 'looms.dev/project',
  server: 'looms.dev/server',
  /** `isolated`, `none` or `bridge`: what network policies tell pods apart by. */
  network: 'looms.dev/network',
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
} as const;

/** Labels of a namespace that looms alone decides. */
export const isOurLabel = (key: string): boolean =>
  key === label.project || key === label.managedBy || /^pod-security\.kubernetes\.io\/(?:enforce|warn)$/.test(key);

/** Keys of annotations, which hold what labels cannot: 63 characters of a small alphabet are too few. */
export const annotation = {
  record: 'looms.dev/record',
  /** For people and other programs: looms reads the record itself. */
  specHash: 'looms.dev/spec-hash',
  /** Which container of its server in a row a pod is of; another one replaces the pods. */
  generation: 'looms.dev/generation',
  signature: 'looms.dev/signature',
  /** The digest by which its pods pull the server's image, signed with the record; what has none is pulled by its name. */
  image: 'looms.dev/image',
  /** Of a ReplicaSet: the digest that the server's image had in the pod that passed its gate (`writeSeen`). */
  imageSeen: 'looms.dev/image-seen',
  /** Of a ReplicaSet: its pods as a looms asked for them; of the scripts the same (`Written`). */
  written: 'looms.dev/written',
  /** Prints of the secrets that its pods were given (`SecretPrints`). */
  secrets: 'looms.dev/secrets',
  /** `looms/<version>`. */
  managedBy: 'looms.dev/managed-by',
  /** Of a ReplicaSet that did not pass its gate: what it failed with. */
  failure: 'looms.dev/failure',
  /** Of a ReplicaSet: how its time ended (`GenerationOutcome`). */
  outcome: 'looms.dev/outcome',
  /** Of a ReplicaSet: when it last passed its gate (RFC 3339); what has none has not served. */
  served: 'looms.dev/served',
  /** Of a Deployment without pods: somebody stopped it. Without this, one whose spec lets it sleep is asleep. */
  stopped: 'looms.dev/stopped',
  /** Of a pod, Kubernetes' own: those with less go first where there shall be fewer. */
  deletionCost: 'controller.kubernetes.io/pod-deletion-cost',
  source: 'looms.dev/source',
  description: 'kubernetes.io/description',
} as const;

/** One namespace a project: the name of a pod is its server's and 23 characters more, and 63 are all that there are. */
export const namespaceOf = (project: ProjectName): string => `looms-${project}`;

/** Of a server's Deployment, its Service and what else is its own. */
export const workloadName = (server: ServerName): string => `looms-${server}`;

/**
 * The Secret with the values of a server's variables that hold secrets. `print` tells one set of values from the next, by
 * keyed hashes; without one it is the Secret that a person makes for exported objects.
 */
export const secretName = (server: ServerName, print?: string): string =>
  print === undefined ? `looms-${server}-env` : `looms-${server}-env-${print}`;

/** Whether a name is that of a Secret of a server. */
export const isSecretName = (server: ServerName, name: string): boolean => {
  const own = secretName(server);
  return name === own || (name.startsWith(`${own}-`) && /^[0-9a-f]{12}$/.test(name.slice(own.length + 1)));
};

/** What a Secret is told from others by: keyed hashes of its values. */
export const secretPrint = (prints: SecretPrints): string => sha256(canonicalJson(prints)).slice(0, 12);

export const volumeClaimName = (volume: string): string => `looms-${volume}`;

/** The ConfigMap with the scripts that run in pods. */
export const scriptsName = 'looms-scripts';

/** Whether a text may be the value of a label (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/). */
export const isLabelValue = (text: string): boolean =>
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/.test(text);

/** Whether a text may be the key of a label or an annotation, and none that Kubernetes keeps for itself. */
export const isOpenKey = (text: string): boolean => {
  const [, prefix, name = ''] = /^(?:([^/]*)\/)?([^/]*)$/.exec(text) ?? [];
  const isHost =
    prefix === undefined ||
    /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(prefix);
  const isKept = prefix !== undefined && /(?:^|\.)(?:kubernetes\.io|k8s\.io|looms\.dev)$/.test(prefix);
  return isHost && !isKept && name !== '' && isLabelValue(name);
};

/** Whether a text may stand in the name of an object. */
export const isObjectName = (text: string): boolean => /^[a-z0-9](?:[a-z0-9-]{0,200}[a-z0-9])?$/.test(text);

/** Whether a text may be a host's name in `hostAliases`: labels of DNS (RFC 1123). */
export const isPodHostName = (text: string): boolean =>
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/.test(text);
