import { dockerCapabilities } from '../../model/container/capabilities.ts';
import { egressText, isTlsPort } from '../../model/container/egress.ts';
import { parseImageRef } from '../../model/container/image-ref.ts';
import type { EgressTarget, ImageSource, Security } from '../../model/desired.ts';
import { assertNever } from '../../model/errors.ts';
import type { LimitName, Policy, PolicyBreach, PolicyRule } from '../../model/policy.ts';
import { contains } from '../fields/mounts.ts';
import type { ReadServer } from '../fields/normalize.ts';
import type { FieldLocation } from '../load.ts';
import { unpinnedPackages } from './pinned.ts';

/** A server to check: from a file, or as recorded on an engine (without `locate`). */
export type PolicySubject = {
  readonly spec: ReadServer;
  readonly locate?: (path: string) => FieldLocation;
};

/** Breaches of one server of the rules of one file, whoever is excepted from them; in the order of rules. */
export const checkRules = (server: PolicySubject, rules: Policy): readonly PolicyBreach[] => [
  ...checkImage(server, rules),
  ...checkPackages(server, rules),
  ...checkLimits(server, rules),
  ...checkMounts(server, rules),
  ...checkNetwork(server, rules),
  ...checkUser(server, rules),
  ...checkCapabilities(server, rules),
];

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
  const floats = ref.digest === undefined && (ref.tag === undefined || ref.tag === 'latest');
  const { forbidLatest = 'off', forbidUnpinned } = policy;
  for (const [rule, how] of [
    ['forbid-latest', forbidLatest],
    ['forbid-unpinned', forbidUnpinned ?? 'off'],
  ] as const) {
    if (!floats || how === 'off') continue;
    yield breach(subject, {
      rule,
      value: image.ref,
      limit: 'a tag or a digest',
      message: `${named} has ${ref.tag === undefined ? 'no tag' : 'the tag latest'}: what runs changes by itself`,
      path: image.path,
      ...hint,
      ...(how === 'warn' ? { severity: 'warning' } : {}),
    });
  }
  if (policy.requireDigest === true && ref.digest === undefined) {
    yield breach(subject, {
      rule: 'require-digest',
      value: image.ref,
      limit: 'a digest',
      message: `${named} has no digest: whoever can write to ${ref.registry} can change what runs`,
      path: image.path,
      hint: `write ${byDefault ? 'docker_backend.base_image: ' : ''}${image.ref}@sha256:…, as \`docker image inspect -f '{{index .RepoDigests 0}}' ${image.ref}\` tells it`,
    });
  }
}

function* checkPackages(subject: PolicySubject, { forbidUnpinned }: Policy): Iterable<PolicyBreach> {
  if (forbidUnpinned === undefined) return;
  for (const { written, path, pinned } of unpinnedPackages(subject.spec)) {
    yield breach(subject, {
      rule: 'forbid-unpinned',
      value: written,
      limit: 'an exact version',
      message: `package ${written} has no exact version: what is installed changes by itself`,
      path,
      hint: `write ${pinned}, with the version that was tried`,
      ...(forbidUnpinned === 'warn' ? { severity: 'warning' } : {}),
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

function* checkUser(subject: PolicySubject, { allowedUsers }: Policy): Iterable<PolicyBreach> {
  const { user } = subject.spec.security;
  if (allowedUsers === undefined || allowedUsers.some((one) => isUser(user, one))) return;
  const uid = user.split(':')[0] ?? '';
  const named = /^\d+$/.test(uid) || uid === 'root' ? '' : ', a name whose number only the image knows';
  yield breach(subject, {
    rule: 'allowed-users',
    value: user,
    limit: allowedUsers.join(', '),
    message: `the server runs as ${user}${named}, which is not one of: ${allowedUsers.join(', ')}`,
    path: 'docker_backend.security.user',
  });
}

/** Whether a user of a spec is meant by an entry: `non-root`, a range of numbers, a user of any group, or a user and a group. */
function isUser(user: string, entry: string): boolean {
  const [uid = '', gid] = user.replace(/^root(?=:|$)/, '0').split(':');
  const number = /^\d+$/.test(uid) ? Number(uid) : undefined;
  if (entry === 'non-root') return number !== undefined && number !== 0;
  const [, from, to] = /^(\d+)-(\d+)$/.exec(entry) ?? [];
  if (from !== undefined) return number !== undefined && number >= Number(from) && number <= Number(to);
  const [wanted = '', group] = entry.replace(/^root(?=:|$)/, '0').split(':');
  const same = (one: string | undefined, other: string): boolean =>
    one === other || (one !== undefined && /^\d+$/.test(one) && /^\d+$/.test(other) && Number(one) === Number(other));
  return same(uid, wanted) && (group === undefined || same(gid, group));
}

function* checkNetwork(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  const { network } = subject.spec;
  const { allowedEgress: allowed, allowedNetworks: modes } = policy;
  if (modes !== undefined && !modes.includes(network.mode)) {
    yield breach(subject, {
      rule: 'allowed-networks',
      value: network.mode,
      limit: modes.join(', '),
      message: `network mode ${network.mode} is not one of: ${modes.join(', ')}`,
      path: 'docker_backend.network.mode',
    });
  }
  if (allowed === undefined) return;
  if (network.mode === 'bridge') {
    yield breach(subject, {
      rule: 'allowed-egress',
      value: 'bridge',
      limit: allowed.join(', '),
      message: 'network mode bridge reaches every host',
      path: 'docker_backend.network.mode',
    });
  }
  for (const target of network.egress) {
    if (allowed.some((entry) => allowsTarget(entry, target))) continue;
    const { host, port, address } = target;
    const leads = address === undefined || address === host ? '' : ` leads to ${address}:${port}, which`;
    const withTls = allowed.some((entry) => allowsTarget(entry, { ...target, tls: true }));
    yield breach(subject, {
      rule: 'allowed-egress',
      value: egressText(target),
      limit: allowed.join(', '),
      message: withTls
        ? `${egressText(target)} with tls: false reaches every host behind the same address, and is allowed with TLS only`
        : `${egressText(target)}${leads} is not one of: ${allowed.join(', ')}`,
      path: 'docker_backend.network.egress',
    });
  }
}

/**
 * Whether an entry of a policy allows a target: `host:port`, `*` for any port, `*.` for all names below. Where a spec leads
 * a name to an address, that is what is reached: the name is of its own choice. On a port of TLS, where nobody looks at the
 * name in it, other hosts are reached as well: the entry has to say ` without TLS`.
 */
function allowsTarget(entry: string, { host, port, tls, address }: EgressTarget): boolean {
  const [, name = '', ports = '', without] = /^(.*):([^:]*?)( without tls)?$/.exec(entry.toLowerCase()) ?? [];
  if (ports !== '*' && ports !== String(port)) return false;
  if (address !== undefined) return name === address;
  if (!tls && isTlsPort(port) && without === undefined) return false;
  return name === host || (name.startsWith('*.') && host.endsWith(name.slice(1)));
}

function* checkCapabilities(subject: PolicySubject, policy: Policy): Iterable<PolicyBreach> {
  yield* checkAllowedCapabilities(subject, policy);
  const { capAdd, capDrop } = subject.spec.security;
  const left = leftCapabilities(capDrop);
  for (const name of policy.forbiddenCapabilities) {
    const isIn = (list: readonly string[]): boolean => (name === 'ALL' ? list.length > 0 : list.includes(name));
    const isAdded = isIn(capAdd);
    if (!isAdded && !isIn(left)) continue;
    yield breach(subject, {
      rule: 'forbidden-capabilities',
      value: name,
      limit: policy.forbiddenCapabilities.join(', '),
      message: `capability ${name} is forbidden${isAdded ? '' : ', and cap_drop leaves it'}`,
      path: `docker_backend.security.${isAdded ? 'cap_add' : 'cap_drop'}`,
    });
  }
}

/** Capabilities that a server has, and no list allows. */
function* checkAllowedCapabilities(
  subject: PolicySubject,
  { allowedCapabilities: allowed }: Policy,
): Iterable<PolicyBreach> {
  if (allowed === undefined) return;
  const { capAdd, capDrop } = subject.spec.security;
  const left = leftCapabilities(capDrop);
  const limit = allowed.length === 0 ? 'none' : allowed.join(', ');
  const found = [
    { names: capAdd.filter((name) => !allowed.includes(name)), path: 'docker_backend.security.cap_add', why: '' },
    {
      names: left.filter((name) => !allowed.includes(name) && !capAdd.includes(name)),
      path: 'docker_backend.security.cap_drop',
      why: ', which cap_drop leaves',
    },
  ];
  for (const { names, path, why } of found) {
    if (names.length === 0) continue;
    const noun = names.length === 1 ? 'capability' : 'capabilities';
    yield breach(subject, {
      rule: 'allowed-capabilities',
      value: names.join(', '),
      limit,
      message: `${noun} ${names.join(', ')}${why}: allowed ${allowed.length === 1 ? 'is' : 'are'} ${limit}`,
      path,
    });
  }
}

/** What of the engine's own capabilities is left. */
const leftCapabilities = (capDrop: readonly string[]): readonly string[] =>
  capDrop.includes('ALL') ? [] : dockerCapabilities.filter((name) => !capDrop.includes(name));

/** The capabilities that a process of a server can have at most; sorted. */
export const keptCapabilities = ({ capAdd, capDrop }: Pick<Security, 'capAdd' | 'capDrop'>): readonly string[] =>
  [...new Set([...leftCapabilities(capDrop), ...capAdd])].sort();
