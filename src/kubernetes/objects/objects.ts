import type { DeclaredServer, DesiredServer } from '../../model/desired.ts';
import { boundsOf } from '../../model/replicas.ts';
import { processEnv, secretUses, writtenValue } from '../../model/secrets/secret-names.ts';
import type { Exported, Exporter, ExportSettings } from '../../orchestrator/export.ts';
import { withDigest } from '../model/image-digest.ts';
import {
  annotation,
  isLabelValue,
  isOpenKey,
  label,
  namespaceOf,
  scriptsName,
  secretName,
  volumeClaimName,
  workloadName,
} from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import { networkPolicies } from './network-policies.ts';
import { numericUser, podLabels, podOf } from './pod.ts';
import { scripts } from './scripts.ts';
import { unlikeOnKubernetes } from './unlike.ts';

/** What is written to a named volume's claim where nobody made one: no spec says how large a volume is. */
const volumeSize = '1Gi';

/** An image that is built here, as the nodes of a cluster pull it. */
const pushedName = (ref: string, registry: string): string => `${registry}/${ref.split('/').at(-1)}`;

/** What the pods of a server pull. */
export const imageOf = ({ image }: DeclaredServer, { registry }: Pick<ExportSettings, 'registry'>): string =>
  image.kind === 'built' && registry !== undefined ? pushedName(image.ref, registry) : image.ref;

const metadata = (
  { project, managedBy }: Pick<ExportSettings, 'project' | 'managedBy'>,
  name: string,
  server?: DesiredServer,
) => ({
  name,
  namespace: namespaceOf(project),
  labels: {
    [label.managedBy]: managedBy.split('/')[0] ?? managedBy,
    [label.project]: project,
    ...(server === undefined ? {} : podLabels(server)),
  },
});

/** Labels of the user's: as annotations where labels cannot hold them. */
function ownLabels({ labels }: DesiredServer) {
  const entries = Object.entries(labels).filter(([key]) => isOpenKey(key));
  return {
    labels: Object.fromEntries(entries.filter(([, value]) => isLabelValue(value))),
    annotations: Object.fromEntries(entries.filter(([, value]) => !isLabelValue(value))),
  };
}

/** A claim is for one node at a time: the pod that has it is gone before the next one begins. */
const isForOne = ({ mounts }: DesiredServer): boolean => mounts.some(({ type }) => type === 'volume');

/** How the pods of a server are replaced. */
export const strategyOf = (spec: DesiredServer): object =>
  isForOne(spec) ? { type: 'Recreate' } : { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };

/** What of a Deployment is decided when a server is made, and stands in no file. */
export type Made = {
  /** The Secret with its values. */
  readonly secret: string;
  /** Annotations of the Deployment that say which generation it is, and who made it. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Annotations of its pods: where one is another, they are replaced. */
  readonly podAnnotations: Readonly<Record<string, string>>;
  /** The digest by which its pods pull its image; absent: by its name, as nodes find it. */
  readonly digest?: string | undefined;
};

/** What `looms export` writes: nobody is there who could count generations or sign. */
const exported = ({ spec }: DeclaredServer): Made => ({
  secret: secretName(spec.name),
  annotations: {},
  podAnnotations: {},
});

/**
 * How many pods are asked for. Of what is scaled no count says it: it begins with one then, and the count is nobody's, so that
 * whoever writes the object again sets nothing back.
 */
function countOf({ enabled, scale, replicas }: DesiredServer): { readonly replicas?: number } {
  if (!enabled) return { replicas: 0 };
  return scale === undefined ? { replicas } : {};
}

/** The Deployment of a server. */
export function deploymentOf(server: DeclaredServer, settings: ExportSettings, made = exported(server)): KubeObject {
  const { spec, hash, source } = server;
  const own = ownLabels(spec);
  const meta = metadata(settings, workloadName(spec.name), spec);
  const annotations = {
    ...own.annotations,
    [annotation.record]: settings.recordOf(server),
    [annotation.specHash]: hash,
    // Without the commit: the objects stay as they are where a commit changes nothing of them.
    [annotation.source]: `${source.file}:${source.line}`,
    ...(spec.description === undefined ? {} : { [annotation.description]: spec.description }),
    ...(made.digest === undefined ? {} : { [annotation.image]: made.digest }),
    ...made.annotations,
  };
  const image = imageOf(server, settings);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...meta, labels: { ...own.labels, ...meta.labels }, annotations },
    spec: {
      ...countOf(spec),
      revisionHistoryLimit: 10,
      selector: { matchLabels: { [label.server]: spec.name } },
      strategy: strategyOf(spec),
      template: {
        metadata: {
          labels: { ...own.labels, ...meta.labels },
          // What changes it replaces the pods: the spec does, and where it was read does not.
          annotations: { ...own.annotations, [annotation.specHash]: hash, ...made.podAnnotations },
        },
        spec: podOf(spec, {
          secret: made.secret,
          server: made.digest === undefined ? image : withDigest(image, made.digest),
          reach: settings.relayImage,
        }),
      },
    },
  };
}

/**
 * The Service of a server over HTTP, by which pods that reach it find it; none of others. Of several pods it leads a client to
 * the one that it led it to before, which alone knows its session.
 */
export function servicesOf({ spec }: DeclaredServer, settings: ExportSettings): readonly KubeObject[] {
  const { transport } = spec.mcp;
  if (transport.kind === 'stdio' || spec.network.mode === 'none') return [];
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(settings, workloadName(spec.name), spec),
      spec: {
        type: 'ClusterIP',
        ...(boundsOf(spec).most > 1 ? { sessionAffinity: 'ClientIP' } : {}),
        selector: { [label.server]: spec.name },
        ports: [{ name: 'mcp', port: transport.port, targetPort: 'mcp', protocol: 'TCP' }],
      },
    },
  ];
}

const claims = (servers: readonly DeclaredServer[], settings: ExportSettings): readonly KubeObject[] =>
  [
    ...new Set(
      servers.flatMap(({ spec }) => spec.mounts.flatMap(({ type, source }) => (type === 'volume' ? [source] : []))),
    ),
  ]
    .sort()
    .map((volume) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: metadata(settings, volumeClaimName(volume)),
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: volumeSize } } },
    }));

/** Whether a pod of it is let into a namespace that enforces Pod Security `restricted`. */
const isRestricted = ({ security }: DesiredServer): boolean => {
  const drops = security.capDrop.some((name) => /^(?:CAP_)?ALL$/.test(name));
  const adds = security.capAdd.every((name) => /^(?:CAP_)?NET_BIND_SERVICE$/.test(name));
  return drops && adds && security.noNewPrivileges && numericUser(security.user)?.uid !== 0;
};

/** The namespace of a project. Where its servers need no more, it lets no pod in that could do more. */
function namespace(servers: readonly DeclaredServer[], { project, ...settings }: ExportSettings): KubeObject {
  const { labels } = metadata({ project, ...settings }, '');
  const what = servers.every(({ spec }) => isRestricted(spec)) ? 'enforce' : 'warn';
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: namespaceOf(project),
      labels: { ...labels, [`pod-security.kubernetes.io/${what}`]: 'restricted' },
    },
  };
}

/** What servers stand on, in the order in which it can be made: their namespace first. */
export function supportObjects(servers: readonly DeclaredServer[], settings: ExportSettings): readonly KubeObject[] {
  const sorted = servers.toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  return [
    namespace(sorted, settings),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(settings, scriptsName),
      data: scripts,
    },
    ...networkPolicies(
      sorted.map(({ spec }) => spec),
      (name, server) => metadata(settings, name, server),
    ),
    ...claims(sorted, settings),
  ];
}

/** All objects of a project, in the order in which they can be applied; the same servers give the same text. */
function write(servers: readonly DeclaredServer[], settings: ExportSettings): Exported {
  const sorted = servers.toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  const specs = sorted.map(({ spec }) => spec);
  return {
    documents: [
      ...supportObjects(sorted, settings),
      ...sorted.flatMap((server) => [deploymentOf(server, settings), ...servicesOf(server, settings)]),
    ],
    secrets: specs.flatMap((spec) => {
      const env = processEnv(spec);
      const keys = secretUses(spec).map(({ variable }) => ({ name: variable, value: writtenValue(env[variable]) }));
      return keys.length === 0 ? [] : [{ name: secretName(spec.name), keys }];
    }),
    images: sorted.flatMap((server) =>
      server.image.kind === 'built' ? [{ here: server.image.ref, there: imageOf(server, settings) }] : [],
    ),
  };
}

/** The objects that a project is on a cluster (docs/kubernetes.md). */
export const kubernetesExporter: Exporter = {
  unlike: (spec, { registry }) =>
    unlikeOnKubernetes(spec, { registry: registry !== undefined, keptByLooms: false, leadsByName: undefined }),
  write,
};
