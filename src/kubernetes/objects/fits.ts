import { argvTemplateOf } from '../../model/container/argv.ts';
import { isIpv4, ledByName } from '../../model/container/egress.ts';
import { keptByLooms } from '../../model/container/kept-by-looms.ts';
import { type DesiredServer, type EgressTarget, isHttp, securityFields } from '../../model/desired.ts';
import type { EngineDescription } from '../../model/engine.ts';
import { boundsOf, countedBy } from '../../model/replicas.ts';
import { present } from '../../model/values/present.ts';
import type { Unlike } from '../../orchestrator/export.ts';
import { isLabelValue, isObjectName, isOpenKey, isPodHostName } from '../model/names.ts';
import { numericUser } from './pod.ts';

/**
 * How a field of a spec is on a cluster. `looms`: no object says it, as looms itself keeps it, and does not on a cluster.
 * What is not exact depends on the value, and is told where a spec has such a one.
 */
export type Fit = 'exact' | 'approximate' | 'looms' | 'refused';

/** Every field of a spec, by its path in a file (docs/kubernetes.md has the table). */
export const fits: Readonly<Record<string, Fit>> = {
  name: 'exact',
  'docker_backend.description': 'exact',
  'docker_backend.runtime_type': 'approximate',
  'docker_backend.base_image': 'exact',
  'docker_backend.python': 'approximate',
  'docker_backend.node': 'approximate',
  'docker_backend.build_config': 'approximate',
  'docker_backend.dockerfile_path': 'approximate',
  'docker_backend.pull_policy': 'exact',
  'docker_backend.platform': 'approximate',
  'docker_backend.hostname': 'exact',
  'docker_backend.custom.entrypoint_cmd': 'exact',
  'docker_backend.custom.labels': 'approximate',
  'docker_backend.environment': 'approximate',
  'docker_backend.working_dir': 'approximate',
  'docker_backend.volume_mounts': 'approximate',
  'docker_backend.resource_limits.cpu_cores': 'exact',
  'docker_backend.resource_limits.memory_mb': 'exact',
  'docker_backend.resource_limits.storage_mb': 'approximate',
  'docker_backend.resource_limits.pids_limit': 'approximate',
  'docker_backend.resource_limits.execution_timeout_seconds': 'looms',
  'docker_backend.security.user': 'approximate',
  'docker_backend.security.read_only_root': 'exact',
  'docker_backend.security.cap_drop': 'exact',
  'docker_backend.security.cap_add': 'exact',
  'docker_backend.security.no_new_privileges': 'exact',
  'docker_backend.security.tmpfs': 'approximate',
  'docker_backend.network.mode': 'approximate',
  'docker_backend.network.egress': 'approximate',
  'docker_backend.network.egress_learn': 'refused',
  'docker_backend.lifecycle.health_check_interval_seconds': 'looms',
  'docker_backend.lifecycle.auto_cleanup': 'looms',
  'docker_backend.lifecycle.drain_seconds': 'approximate',
  'docker_backend.lifecycle.rotation_interval_hours': 'looms',
  'docker_backend.lifecycle.max_executions': 'looms',
  'docker_backend.lifecycle.rotate_on_image_change': 'looms',
  'docker_backend.lifecycle.preserve': 'refused',
  'docker_backend.lifecycle.restart': 'approximate',
  'mcp_server.enabled': 'exact',
  'mcp_server.replicas': 'exact',
  'mcp_server.scale': 'looms',
  'mcp_server.transport': 'exact',
  'mcp_server.port': 'exact',
  'mcp_server.path': 'exact',
  'mcp_server.command': 'approximate',
  'mcp_server.args': 'exact',
  'mcp_server.env': 'approximate',
  'mcp_server.env_from': 'approximate',
  'mcp_server.timeout_seconds': 'exact',
  'mcp_server.protocol': 'exact',
  'mcp_server.tools.include': 'looms',
  'mcp_server.tools.exclude': 'looms',
};

const refused = (path: string, message: string, hint: string): Unlike => ({ kind: 'refused', path, message, hint });
const approximate = (path: string, message: string): Unlike => ({ kind: 'approximate', path, message });

/** The usual number of processes; who wrote another one means it. */
const usualPids = 256;

export type Where = {
  /** Whether something says where nodes pull images from that are built here. */
  readonly registry: boolean;
  /** Whether looms works on the cluster; else objects are there without it. */
  readonly keptByLooms: boolean;
  /** Whether it has policies that know names; undefined: no cluster was asked. */
  readonly leadsByName: boolean | undefined;
};

/** A cluster that looms works on. */
export const onCluster = (registry: string | undefined, engine: EngineDescription): Where => ({
  registry: registry !== undefined,
  keptByLooms: true,
  leadsByName: engine.kind === 'kubernetes' && engine.canLeadByName,
});

/** What a value of this spec cannot be on a cluster, or is otherwise than on an engine; in the order of its fields. */
export function unlikeOnKubernetes(spec: DesiredServer, where: Where): readonly Unlike[] {
  return [
    ...ofImage(spec, where),
    ...ofContainer(spec),
    ...ofSecurity(spec),
    ...ofNetwork(spec),
    ...ofNames(spec, where),
    ...ofLifecycle(spec),
    ...ofProcess(spec),
    ...(where.keptByLooms
      ? ofImageChange(spec)
      : keptByLooms(spec).map(({ path, what }) =>
          approximate(path, `${what} is kept by looms alone: of exported objects it is not`),
        )),
  ];
}

/** Whether what is approximate of a field is so by its default: a spec that says nothing of it has that. */
export function isByDefault({ security, network }: DesiredServer, path: string): boolean {
  switch (path) {
    case 'docker_backend.environment':
      return true;
    case 'docker_backend.security.tmpfs':
      return Object.entries(security.tmpfs).every(
        ([folder, size]) => size.endsWith(',exec') || securityFields.tmpfs.default[folder] === size,
      );
    case 'docker_backend.network.mode':
      return network.mode === 'isolated';
    default:
      return false;
  }
}

const ofImageChange = ({ lifecycle, pullPolicy }: DesiredServer): readonly Unlike[] =>
  lifecycle.rotateOnImageChange || pullPolicy === 'always'
    ? [
        approximate(
          lifecycle.rotateOnImageChange
            ? 'docker_backend.lifecycle.rotate_on_image_change'
            : 'docker_backend.pull_policy',
          'nodes ask the registry when they make a pod; a plan does not ask it for a newer image',
        ),
      ]
    : [];

function ofImage({ image, platform }: DesiredServer, where: Where): readonly Unlike[] {
  const path =
    image.kind === 'build'
      ? 'docker_backend.build_config'
      : image.kind === 'dockerfile'
        ? 'docker_backend.dockerfile_path'
        : 'docker_backend.runtime_type';
  const [, , variant] = platform?.split('/') ?? [];
  return present([
    image.kind !== 'image' &&
      !where.registry &&
      refused(
        path,
        'its image is built here, and a cluster has it from nowhere',
        where.keptByLooms
          ? 'say in looms.yaml where looms pushes it and nodes pull it from: engine: { registry: HOST/FOLDER }; or push it yourself and name it as base_image'
          : 'engine.registry of looms.yaml, or --registry, says where its nodes pull it from; or push it yourself and name it as base_image',
      ),
    variant !== undefined &&
      approximate(
        'docker_backend.platform',
        `nodes do not tell the variant ${variant}: any of that architecture is taken`,
      ),
  ]);
}

function ofContainer(spec: DesiredServer): readonly Unlike[] {
  const { mounts, limits, labels, hostname, workingDir, image } = spec;
  const isFromPackages = image.kind === 'node' || image.kind === 'python';
  const saysHome = 'HOME' in spec.environment || 'HOME' in spec.mcp.env || spec.mcp.envFrom.includes('HOME');
  const folder = mounts.find(({ type }) => type === 'bind');
  const entries = Object.entries(labels);
  const closed = entries.find(([key]) => !isOpenKey(key));
  const long = entries.find(([key, value]) => isOpenKey(key) && !isLabelValue(value));
  const ofOneNode = mounts.find(({ type }) => type === 'volume');
  const { most } = boundsOf(spec);
  const misnamed = mounts.find(({ type, source }) => type === 'volume' && !isObjectName(source));
  return present([
    hostname !== '' &&
      !/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(hostname) &&
      refused(
        'docker_backend.hostname',
        `${hostname} cannot be the host name of a pod`,
        'lower-case letters, digits and inner hyphens, without a dot',
      ),
    long !== undefined &&
      approximate(
        'docker_backend.custom.labels',
        `${long[0]} is an annotation: labels hold 63 characters of a small alphabet`,
      ),
    closed !== undefined &&
      refused(
        'docker_backend.custom.labels',
        `${closed[0]} cannot be the key of a label: it has other characters, or its prefix is one of Kubernetes or looms (kubernetes.io, k8s.io, looms.dev)`,
        'a name of letters, digits, ".", "_" and "-", behind a host of your own and a slash if you like',
      ),
    misnamed !== undefined &&
      refused(
        'docker_backend.volume_mounts',
        `${misnamed.source} cannot be the name of a claim`,
        'name the volume in lower-case letters, digits and inner hyphens',
      ),
    folder !== undefined &&
      refused(
        'docker_backend.volume_mounts',
        `${folder.source} is a folder of one machine, and a pod may run on any`,
        'name a volume (without a slash), or put the files into the image',
      ),
    ofOneNode !== undefined &&
      most > 1 &&
      refused(
        countedBy(spec),
        `its volume ${ofOneNode.source} is for one node at a time, and there may be ${most} pods of it`,
        'leave it out, or keep what the pods share elsewhere',
      ),
    ofOneNode !== undefined &&
      approximate(
        'docker_backend.volume_mounts',
        'a named volume is a claim of 1 GiB that begins empty, for one node at a time: pods of several servers that use it have to be there',
      ),
    !isFromPackages &&
      !saysHome &&
      approximate('docker_backend.environment', 'HOME is /tmp, also where the image says otherwise'),
    workingDir !== undefined &&
      approximate(
        'docker_backend.working_dir',
        'no folder in memory is made there: name one in security.tmpfs where the image has none that can be written',
      ),
    limits.storageMiB !== undefined &&
      approximate(
        'docker_backend.resource_limits.storage_mb',
        'a server that writes more is evicted and begins anew; on an engine its writing fails',
      ),
    limits.pidsLimit !== usualPids &&
      approximate(
        'docker_backend.resource_limits.pids_limit',
        'a pod has no such field: what its kubelet allows (podPidsLimit) holds',
      ),
  ]);
}

function ofSecurity({ security }: DesiredServer): readonly Unlike[] {
  const path = 'docker_backend.security.user';
  const user = numericUser(security.user);
  const executable = Object.values(security.tmpfs).every((size) => size.endsWith(',exec'));
  return present([
    user === undefined &&
      refused(path, `${security.user} is a name that only an image knows`, 'write it in numbers: UID:GID'),
    user?.uid === 0 && approximate(path, 'a namespace that enforces Pod Security `restricted` refuses root'),
    !executable &&
      approximate(
        'docker_backend.security.tmpfs',
        'programs can be run from folders in memory: a pod cannot forbid that, as an engine does',
      ),
  ]);
}

function ofNetwork(spec: DesiredServer): readonly Unlike[] {
  const { mode, egress, egressLearn } = spec.network;
  const odd = egress.find(({ host, address }) => address !== undefined && !isIpv4(host) && !isPodHostName(host));
  const walled =
    'network policies hold its traffic back, where the cluster enforces them, as `looms doctor --probe` tries';
  return present([
    mode === 'isolated' &&
      approximate('docker_backend.network.mode', `${walled}; servers of the project do not find each other by name`),
    mode === 'none' && approximate('docker_backend.network.mode', `it has an interface all the same: ${walled}`),
    odd !== undefined &&
      refused(
        'docker_backend.network.egress',
        `${odd.host} cannot be a name for an address in a pod`,
        'give it a name of lower-case letters, digits, dots and inner hyphens',
      ),
    egress.some(({ tls, address }) => tls && address !== undefined) &&
      approximate(
        'docker_backend.network.egress',
        'every host at a listed address is reached: a network policy does not look for the name in TLS',
      ),
    egressLearn &&
      refused(
        'docker_backend.network.egress_learn',
        'what a server tries is noted by a forwarder, which there is on an engine only',
        'learn its list on an engine (`looms egress suggest`), and take egress_learn out',
      ),
  ]);
}

/** What an entry of a name is where no policy knows names. */
const withAddress = ({ host, port }: EgressTarget): string =>
  host.startsWith('*.')
    ? 'each host below it as { host: NAME, address: ADDRESS, port: PORT }'
    : `{ host: ${host}, address: ADDRESS, port: ${port} }`;

function ofNames(spec: DesiredServer, { leadsByName, keptByLooms }: Where): readonly Unlike[] {
  const path = 'docker_backend.network.egress';
  const names = ledByName(spec);
  const [first] = names;
  if (first === undefined) return [];
  if (leadsByName === false) {
    const hint = `write ${withAddress(first)}; names are let out by Cilium alone, where that is the cluster's network plugin`;
    return [refused(path, `${first.host} is a name, and the policies of this cluster know addresses`, hint)];
  }
  const short = names.find(({ host }) => !host.includes('.'));
  const inside = names.find(({ host }) => /\.(?:svc|cluster\.local)$/.test(host));
  const needs = keptByLooms ? '' : ', which the cluster needs for it';
  return present([
    short !== undefined &&
      refused(
        path,
        `${short.host} is no whole name, and pods ask for names as they stand`,
        `write it with its domain, or ${withAddress(short)}`,
      ),
    inside !== undefined &&
      refused(
        path,
        `${inside.host} is a name of the cluster itself, and only hosts outside of it are let out to by name`,
        'take it out, and let the server reach it by a NetworkPolicy of yours',
      ),
    approximate(
      path,
      `names are let out by a policy of Cilium${needs}; it goes by what the cluster's name service answers`,
    ),
  ]);
}

function ofLifecycle(spec: DesiredServer): readonly Unlike[] {
  const { lifecycle } = spec;
  return present([
    isHttp(spec) &&
      lifecycle.drainSeconds > 0 &&
      approximate(
        'docker_backend.lifecycle.drain_seconds',
        'a server over HTTP is told to end at once, and has 30 s for what it does',
      ),
    lifecycle.preserve.length > 0 &&
      refused(
        'docker_backend.lifecycle.preserve',
        'files of a pod go with it',
        'keep them in a named volume that is mounted there',
      ),
    lifecycle.restart === 'no' &&
      approximate('docker_backend.lifecycle.restart', 'a pod of a Deployment is always started again'),
  ]);
}

function ofProcess(spec: DesiredServer): readonly Unlike[] {
  const { entrypoint } = argvTemplateOf(spec);
  const { envFrom, env } = spec.mcp;
  const isStdio = !isHttp(spec);
  const hasSecrets = envFrom.length > 0 || Object.values(env).some(({ kind }) => kind === 'secret');
  return present([
    isStdio &&
      entrypoint === undefined &&
      refused(
        'mcp_server.command',
        'what it runs stands in its image only, and a pod has to say it: sessions and the gate start it',
        'write command and args (`looms mcp info` shows those of a server that runs)',
      ),
    isStdio &&
      hasSecrets &&
      approximate(
        envFrom.length > 0 ? 'mcp_server.env_from' : 'mcp_server.env',
        'secrets are in the environment of the pod, by a Secret; on an engine only sessions have them',
      ),
  ]);
}
