import type { ImageSource } from '../../model/desired.ts';
import type { Diagnostic } from '../../model/diagnostics.ts';
import { assertNever } from '../../model/errors.ts';
import type { LimitName, Policy, PolicyBreach, PolicyRule } from '../../model/policy.ts';
import { parseImageRef } from '../fields/image-ref.ts';
import { contains } from '../fields/mounts.ts';
import type { ReadServer } from '../fields/normalize.ts';
import type { FaultyServer, FieldLocation } from '../load.ts';

/** A server to check: from a file, or as recorded on an engine (without `locate`). */
type PolicySubject = {
  readonly spec: ReadServer;
  readonly locate?: (path: string) => FieldLocation;
};

/** Checks servers against a policy; breaches in the order of servers, then of rules. Pure. */
export function checkPolicy(servers: readonly PolicySubject[], policy: Policy): readonly PolicyBreach[] {
  return servers.flatMap((server) => [
    ...checkImage(server, policy),
    ...checkLimits(server, policy),
    ...checkMounts(server, policy),
    ...checkNetwork(server, policy),
    ...checkCapabilities(server, policy),
  ]);
}

/** Breaches of a server with errors, by what is written alone: what is wrong has its default here. */
export function checkFaulty(server: FaultyServer, policy: Policy): readonly PolicyBreach[] {
  return checkPolicy([server], policy).filter(
    ({ path }) =>
      !server.wrong.some((wrong) => isBelow(path, wrong) || (path.endsWith('.cap_drop') && isBelow(wrong, path))),
  );
}

/** Whether a path is another one or a part of it. */
const isBelow = (path: string, above: string): boolean =>
  path === above || (above !== '' && path.startsWith(above) && /^[.[]/.test(path.slice(above.length)));

type Found = Pick<PolicyBreach, 'rule' | 'value' | 'limit' | 'message' | 'path'> & {
  severity?: 'warning';
  hint?: string;
};

function breach(subject: PolicySubject, found: Found): PolicyBreach {
  const place = subject.locate?.(found.path);
  return {
    severity: 'error',
    ...found,
    server: subject.spec.name,
    ...(place === undefined ? {} : { place: { position: place.position, length: place.length } }),
  };
}

/** The image that decides where content comes from, and the field that says so. A Dockerfile's is not known here. */
function imageOf(image: ImageSource): { readonly ref: string; readonly path: string } | undefined {
  switch (image.kind) {
    case 'image':
      return { ref: image.ref, path: 'docker_backend.base_image' };
    case 'python':
    case 'node':
      return { ref: image.base, path: 'docker_backend.base_image' };
    case 'build':
      return { ref: image.from, path: 'docker_backend.build_config.from_image' };
    case 'dockerfile':
      return undefined;
    default:
      return assertNever(image);
  }
}

function* checkImage(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  const image = subject.spec.image && imageOf(subject.spec.image);
  const ref = image === undefined ? undefined : parseImageRef(image.ref);
  if (image === undefined || ref === undefined) return;
  const byDefault = subject.locate?.(image.path).explicit === false;
  const named = `image ${image.ref}${byDefault ? ', the default of this runtime_type,' : ''}`;
  const hint = byDefault ? { hint: 'write docker_backend.base_image with an image that the policy allows' } : {};
  const full = `${ref.registry}/${ref.repository}`;
  const allowed = policy.allowedRegistries;
  if (allowed !== undefined && !allowed.some((prefix) => contains(prefix.replace(/\/$/, ''), full))) {
    yield breach(subject, {
      rule: 'allowed-registries',
      value: image.ref,
      limit: allowed.join(', '),
      message: `${named} comes from ${ref.registry}, which is not one of: ${allowed.join(', ')}`,
      path: image.path,
      ...hint,
    });
  }
  if (policy.forbidLatest !== 'off' && ref.digest === undefined && (ref.tag === undefined || ref.tag === 'latest')) {
    yield breach(subject, {
      rule: 'forbid-latest',
      value: image.ref,
      limit: 'a tag or a digest',
      message: `${named} has ${ref.tag === undefined ? 'no tag' : 'the tag latest'}: what runs changes by itself`,
      path: image.path,
      ...hint,
      ...(policy.forbidLatest === 'warn' ? { severity: 'warning' } : {}),
    });
  }
}

function* checkLimits(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  const at = (name: LimitName): string => `docker_backend.resource_limits.${name}`;
  const { limits } = subject.spec;
  for (const name of policy.requiredLimits) {
    // What runs does not say whether a limit was written; then only storage can be seen to be missing.
    const written = subject.locate?.(at(name)).explicit ?? (name !== 'storage_mb' || limits.storageMiB !== undefined);
    if (written) continue;
    yield breach(subject, {
      rule: 'required-limits',
      value: 'not given',
      limit: name,
      message: `resource_limits.${name} must be given`,
      path: at(name),
      hint: `write docker_backend.resource_limits.${name}`,
    });
  }
  const ceilings: readonly (readonly [PolicyRule, LimitName, number, number | undefined])[] = [
    ['max-cpu-cores', 'cpu_cores', limits.cpuCores, policy.maxCpuCores],
    ['max-memory-mb', 'memory_mb', limits.memoryMiB, policy.maxMemoryMiB],
    ['max-pids', 'pids_limit', limits.pidsLimit, policy.maxPids],
  ];
  for (const [rule, name, value, most] of ceilings) {
    if (most === undefined || value <= most) continue;
    const byDefault = subject.locate?.(at(name)).explicit === false;
    yield breach(subject, {
      rule,
      value: String(value),
      limit: String(most),
      message: `${name} is ${value}${byDefault ? ' by default' : ''}, at most ${most} is allowed`,
      path: at(name),
      ...(byDefault ? { hint: `write docker_backend.resource_limits.${name}: ${most}, or less` } : {}),
    });
  }
}

function* checkMounts(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  const allowed = policy.allowedMounts;
  if (allowed === undefined) return;
  for (const mount of subject.spec.mounts) {
    if (mount.type !== 'bind' || allowed.some((folder) => contains(folder, mount.source))) continue;
    yield breach(subject, {
      rule: 'allowed-mounts',
      value: mount.source,
      limit: allowed.join(', '),
      message: `${mount.source} is mounted, which is in none of: ${allowed.join(', ')}`,
      path: 'docker_backend.volume_mounts',
    });
  }
}

function* checkNetwork(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  const allowed = policy.allowedEgress;
  if (allowed === undefined) return;
  const { network } = subject.spec;
  if (network.mode === 'bridge') {
    yield breach(subject, {
      rule: 'allowed-egress',
      value: 'bridge',
      limit: allowed.join(', '),
      message: 'network mode bridge reaches every host',
      path: 'docker_backend.network.mode',
    });
  }
  for (const { host, port } of network.egress) {
    if (allowed.includes(`${host}:${port}`) || allowed.includes(`${host}:*`)) continue;
    yield breach(subject, {
      rule: 'allowed-egress',
      value: `${host}:${port}`,
      limit: allowed.join(', '),
      message: `${host}:${port} is not one of: ${allowed.join(', ')}`,
      path: 'docker_backend.network.egress',
    });
  }
}

function* checkCapabilities(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  const { capAdd, capDrop } = subject.spec.security;
  for (const name of policy.forbiddenCapabilities) {
    if (capAdd.includes(name) || (name === 'ALL' && capAdd.length > 0)) {
      yield breach(subject, {
        rule: 'forbidden-capabilities',
        value: name,
        limit: policy.forbiddenCapabilities.join(', '),
        message: `capability ${name} is forbidden`,
        path: 'docker_backend.security.cap_add',
      });
    } else if (!capDrop.includes('ALL') && !capDrop.includes(name) && engineDefaults.has(name)) {
      yield breach(subject, {
        rule: 'forbidden-capabilities',
        value: name,
        limit: policy.forbiddenCapabilities.join(', '),
        message: `capability ${name} is forbidden, and cap_drop leaves it`,
        path: 'docker_backend.security.cap_drop',
      });
    }
  }
}

/** Capabilities that Docker gives a container unless they are dropped (moby, oci/caps defaults). */
const engineDefaults = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

/** Who says so, where the finding itself says what to do: an error is a rule that somebody wrote. */
const policyHint = ({ hint, severity }: PolicyBreach): Pick<Diagnostic, 'hint'> => {
  if (hint !== undefined) return { hint };
  return severity === 'error' ? { hint: 'the policy of looms.yaml says so' } : {};
};

/** A breach as a diagnostic; undefined without a file. It names no server, so that the same of many is one. */
export function breachDiagnostic(breach: PolicyBreach): Diagnostic | undefined {
  if (breach.place === undefined) return undefined;
  return {
    severity: breach.severity,
    code: `policy-${breach.rule}`,
    message: breach.message,
    ...breach.place,
    path: breach.path,
    ...policyHint(breach),
    related: [],
  };
}
