import { argvTemplateOf } from '../../model/container/argv.ts';
import { isHttp, type RecordedSpec } from '../../model/desired.ts';
import type { ServerName } from '../../model/ids.ts';
import { rotationTime } from '../../model/plan/rotation.ts';
import { isNonEmpty } from '../../model/plan.ts';
import type { ServerInstance, ServerListing, ServerView } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import { label, volumeClaimName } from '../model/names.ts';
import {
  isReady,
  type KubeObject,
  type Pod,
  type PodSpec,
  runOf,
  serverIn,
  serverStatus,
  timeOf,
} from '../model/objects.ts';
import {
  askedOf,
  type Generation,
  idOfGeneration,
  idOfPod,
  isOurs,
  mainPod,
  type Observed,
  shownOf,
  supportKey,
  type Workload,
} from '../model/observed.ts';
import { amountOf } from '../model/quantity.ts';
import { strayNotices } from '../model/strays.ts';
import { egressPolicies } from '../objects/network-policies.ts';
import { runFolder, scriptsFolder } from '../objects/scripts.ts';
import { agedOf } from '../plan/assess.ts';
import { stateOf, statusOf } from './state.ts';

const mebibyte = 1024 * 1024;

export const instanceOf = ({ claim }: Generation, pod: Pod): ServerInstance => ({
  container: idOfPod(pod),
  containerName: pod.metadata.name,
  generation: claim.generation,
  run: runOf(serverStatus(pod)),
  restarts: serverStatus(pod)?.restartCount ?? 0,
  engineHealth: null,
  engineHealthCommand: `kubectl -n ${pod.metadata.namespace ?? ''} describe pod ${pod.metadata.name}`,
});

/** Where the claims of a pod are mounted in its server. */
function mountsOf(spec: PodSpec): ServerView['mounts'] {
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return (serverIn(spec)?.volumeMounts ?? []).flatMap(({ name, mountPath, readOnly = false }): ServerView['mounts'] => {
    const { persistentVolumeClaim: claim, hostPath } = volumes.get(name) ?? {};
    if (claim !== undefined) return [{ type: 'volume', source: claim.claimName, target: mountPath, readOnly }];
    return hostPath === undefined ? [] : [{ type: 'bind', source: hostPath.path, target: mountPath, readOnly }];
  });
}

/** What a kubelet mounts in every container, and looms in its own pods: files that say who it is, and the scripts. */
const usualMounts = new Set([
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/dev/termination-log',
  scriptsFolder,
  runFolder,
]);

/** The mounts of a record, as a pod has them. */
const recordedMounts = (recorded: RecordedSpec | undefined): ServerView['mounts'] =>
  (recorded?.spec.mounts ?? []).map(({ type, source, ...rest }) => ({
    type,
    source: type === 'volume' ? volumeClaimName(source) : source,
    ...rest,
  }));

const keyOf = (name: string): string => supportKey({ kind: 'NetworkPolicy', metadata: { name } });

/** The policies that a server's list takes, by `supportKey`. */
const listPoliciesOf = ({ claim: { recorded } }: Workload): readonly string[] =>
  recorded === undefined ? [] : egressPolicies(recorded.spec, (name) => ({ name })).map(supportKey);

/** Policies that looms writes for a project; anybody can write its label on others. */
function isWritten(one: KubeObject, { project, servers }: Observed): boolean {
  const isOfAll = ['looms-deny', 'looms-isolated', 'looms-bridge'].some((name) => supportKey(one) === keyOf(name));
  return (
    isOurs(one, project) && (isOfAll || servers.some((server) => listPoliciesOf(server).includes(supportKey(one))))
  );
}

/**
 * What lets a server's pods out, in place of networks: the policy of its mode, closed where the one that denies all is there,
 * and policies that looms did not make, which add to what is let through. Where all is denied and no mode lets out, there is
 * none.
 */
function networksOf(mode: string, observed: Observed): ServerView['confinement']['networks'] {
  const policies = [...observed.support.values()].filter(
    ({ kind }) => kind === 'NetworkPolicy' || kind === 'CiliumNetworkPolicy',
  );
  const isDenied = observed.support.has(keyOf('looms-deny'));
  const others = policies.filter((one) => !isWritten(one, observed)).map(({ metadata }) => metadata.name);
  const own = { name: `looms-${mode}`, internal: mode !== 'bridge' && isDenied, ipv6: false, isRecorded: true };
  const hasPolicy = mode === 'isolated' || mode === 'bridge';
  return [
    ...(isDenied && !hasPolicy ? [] : [own]),
    ...others.map((name) => ({ name, internal: false, ipv6: false, isRecorded: false })),
  ];
}

/** The policies that let a server out to what it lists, as one; null where one of them is missing. */
function listPolicyOf(workload: Workload, { support }: Observed): ServerView['confinement']['forwarder'] {
  const wanted = listPoliciesOf(workload);
  const policies = wanted.flatMap((key) => support.get(key) ?? []);
  if (!isNonEmpty(policies) || policies.length < wanted.length) return null;
  const name = policies.map(({ metadata }) => metadata.name).join(' and ');
  const since = Math.max(...policies.map(({ metadata }) => timeOf(metadata.creationTimestamp)));
  return { name, since, running: true, joined: true, differs: [] };
}

/** What says how a pod is confined, in the words that are shared by all engines. */
function confinementOf(
  workload: Workload,
  { spec, labels }: { readonly spec: PodSpec; readonly labels: Readonly<Record<string, string>> },
  observed: Observed,
): ServerView['confinement'] {
  const { claim } = workload;
  const container = serverIn(spec);
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  const { hostNetwork = false, hostPID = false, hostIPC = false } = spec;
  return {
    privileged: container?.securityContext?.privileged ?? false,
    swapMiB: null,
    storageMiB: amountOf(container?.resources?.limits?.['ephemeral-storage']) / mebibyte || null,
    securityOptions: [],
    sharedNamespaces: [
      ...(hostNetwork ? ['network host'] : []),
      ...(hostPID ? ['pid host'] : []),
      ...(hostIPC ? ['ipc host'] : []),
    ],
    devices: [],
    // What comes from a Secret is in no configuration.
    environment: (container?.env ?? []).flatMap(({ name, valueFrom }) =>
      valueFrom?.secretKeyRef === undefined ? [name] : [],
    ),
    tmpfs: (container?.volumeMounts ?? []).flatMap(({ name, mountPath }) =>
      volumes.get(name)?.emptyDir?.medium === 'Memory' && mountPath !== runFolder
        ? [{ path: mountPath, exec: true }]
        : [],
    ),
    recordedMounts: recordedMounts(claim.recorded),
    nameServer: null,
    engineMounts: { at: usualMounts, tmpfsAt: new Set(), unnamedVolume: /(?!)/ },
    otherSettings: (spec.ephemeralContainers ?? []).map(({ name }) => `ephemeral container ${name}`),
    networks: networksOf(labels[label.network] ?? 'none', observed),
    publishes: [],
    listedNames: (spec.hostAliases ?? []).flatMap(({ ip, hostnames = [] }) =>
      hostnames.map((name) => ({ name, address: ip })),
    ),
    forwarder: listPolicyOf(workload, observed),
  };
}

function viewOf(workload: Workload, observed: Observed): ServerView {
  const { server, deployment, claim } = workload;
  const generation = shownOf(workload);
  const said = generation?.claim ?? claim;
  const pod = generation && mainPod(generation);
  const spec = pod?.spec ?? deployment.spec.template.spec;
  const container = serverIn(spec);
  const limits = container?.resources?.limits ?? {};
  const context = container?.securityContext ?? {};
  const isServer = said.recorded !== undefined && isHttp(said.recorded.spec);
  const mounts = mountsOf(spec);
  // Policies go by what the pod itself is labelled.
  const { labels = {} } = (pod ?? deployment.spec.template).metadata ?? {};
  const confinement = confinementOf(workload, { spec, labels }, observed);
  const status = pod && serverStatus(pod);
  const aged = generation && agedOf(generation);
  const shown = generation && pod ? instanceOf(generation, pod) : undefined;
  return {
    container: idOfGeneration(generation, deployment),
    containerName: shown?.containerName ?? deployment.metadata.name,
    generation: said.generation,
    run: shown?.run ?? '',
    restarts: shown?.restarts ?? 0,
    engineHealth: null,
    engineHealthCommand: shown?.engineHealthCommand ?? '',
    name: server,
    project: observed.project,
    ...defined({
      recorded: said.recorded,
      foreignRecord: said.foreignRecord,
      secretPrints: said.secretPrints,
    }),
    state: stateOf(workload, generation),
    replicas: { ready: (generation?.pods ?? []).filter(isReady).length, asked: askedOf(workload) },
    renamed: false,
    status: statusOf(pod),
    image: said.recorded?.image ?? container?.image ?? '',
    imageId: status?.imageID ?? container?.image ?? '',
    // Its pods are made anew where a node is lost or it wakes, which says nothing of when it was put there.
    createdAt: timeOf((generation?.replicaSet ?? deployment).metadata.creationTimestamp),
    source: said.source ?? null,
    specHash: said.specHash,
    managedBy: said.managedBy,
    instances: workload.generations.flatMap((one) => one.pods.map((each) => instanceOf(one, each))),
    pidOne: isServer ? [...(container?.command ?? []), ...(container?.args ?? [])] : null,
    user: [context.runAsUser, context.runAsGroup].filter((id) => id !== undefined).join(':'),
    limits: {
      cpuCores: amountOf(limits.cpu),
      memoryMiB: Math.round(amountOf(limits.memory) / mebibyte),
      // A pod has no such limit of its own: its node's kubelet has one for all.
      pids: 0,
    },
    networks: confinement.networks.map(({ name }) => name),
    hidesHost: false,
    mounts,
    security: {
      readOnlyRoot: context.readOnlyRootFilesystem ?? false,
      capDrop: context.capabilities?.drop ?? [],
      capAdd: context.capabilities?.add ?? [],
      noNewPrivileges: context.allowPrivilegeEscalation === false,
    },
    confinement,
    rotatesAt: (aged && said.recorded && rotationTime(said.recorded.spec.lifecycle, aged)) ?? null,
  };
}

/** `Orchestrator.servers`. */
export function listingOf(observed: Observed, names?: readonly ServerName[]): ServerListing {
  const { project, engine, now, servers, foreign } = observed;
  const claiming = foreign.filter(({ metadata }) => metadata.labels?.[label.project] === project);
  return {
    project,
    engine,
    now,
    servers: servers
      .filter(({ server }) => names?.includes(server) !== false)
      .map((workload) => viewOf(workload, observed)),
    deleted: [],
    notices: [
      ...claiming.map(({ metadata }) => ({
        code: 'not-ours' as const,
        message: `Deployment ${metadata.name} has the labels of project ${project}, but not the name of a server of looms: it is left alone`,
      })),
      ...strayNotices(observed),
    ],
  };
}

/** `Orchestrator.imageOf`: nodes keep images, and tell their digests alone. */
export const imageOf = ({ recorded, imageId, pidOne }: ServerView) => {
  const { entrypoint = [], command = [] } = recorded === undefined ? {} : argvTemplateOf(recorded.spec);
  return {
    command: pidOne ?? [...entrypoint, ...command],
    digests: imageId.includes('@sha256:') ? [imageId.replace(/^[a-z-]+:\/\//, '')] : [],
  };
};
