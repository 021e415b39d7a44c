import { argvTemplateOf } from '../../model/container/argv.ts';
import { keptByLooms } from '../../model/container/kept-by-looms.ts';
import { type DesiredServer, isHttp, securityFields } from '../../model/desired.ts';
import { boundsOf, countedBy } from '../../model/replicas.ts';
import { present } from '../../model/values/present.ts';
import type { Unlike } from '../../orchestrator/export.ts';
import { isLabelValue, isObjectName, isOpenKey } from '../model/names.ts';
import { numericUser } from './pod.ts';
import { unlikeOfNames, unlikeOfNetwork } from './unlike-network.ts';
import { approximate, refused, type Where } from './where.ts';

/** The usual number of processes; who wrote another one means it. */
const usualPids = 256;

/** What a value of this spec cannot be on a cluster, or is otherwise than on an engine; in the order of its fields. */
export function unlikeOnKubernetes(spec: DesiredServer, where: Where): readonly Unlike[] {
  return [
    ...ofImage(spec, where),
    ...ofContainer(spec),
    ...ofSecurity(spec),
    ...unlikeOfNetwork(spec),
    ...unlikeOfNames(spec, where),
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
