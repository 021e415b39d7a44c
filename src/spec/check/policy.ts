import type { ImageSource } from '../../model/desired.ts';
import type { Diagnostic } from '../../model/diagnostics.ts';
import { assertNever } from '../../model/errors.ts';
import {
  type LimitName,
  noRules,
  type Policies,
  type Policy,
  type PolicyBreach,
  type PolicyFile,
  type PolicyRule,
} from '../../model/policy.ts';
import { parseImageRef } from '../fields/image-ref.ts';
import { contains } from '../fields/mounts.ts';
import type { ReadServer } from '../fields/normalize.ts';
import type { FaultyServer, FieldLocation } from '../load.ts';

/** A server to check: from a file, or as recorded on an engine (without `locate`). */
type PolicySubject = {
  readonly spec: ReadServer;
  readonly locate?: (path: string) => FieldLocation;
};

/** What looms says where no file does (docs/policy.md). */
const ordinary: Policy = { ...noRules, forbidLatest: 'warn' };

/**
 * Checks servers against all policies that apply; breaches in the order of servers, then of policies, then of rules. Of
 * what one rule of several policies says of one value the strictest is told. Pure.
 */
export function checkPolicy(servers: readonly PolicySubject[], policies: Policies): readonly PolicyBreach[] {
  const says = policies.some(({ rules }) => rules.forbidLatest !== undefined);
  return servers.flatMap((server) =>
    strictest([
      ...policies.flatMap((policy) => checkRules(server, policy.rules).map((found) => withSource(found, policy))),
      ...(says ? [] : checkRules(server, ordinary)),
    ]),
  );
}

const checkRules = (server: PolicySubject, rules: Policy): readonly PolicyBreach[] => [
  ...checkImage(server, rules),
  ...checkLimits(server, rules),
  ...checkMounts(server, rules),
  ...checkNetwork(server, rules),
  ...checkCapabilities(server, rules),
];

/** A rule by its key in a file. */
const keyOf = (rule: PolicyRule): string => rule.replaceAll('-', '_');

function withSource(breach: PolicyBreach, { file, lines }: PolicyFile): PolicyBreach {
  const line = lines[keyOf(breach.rule)];
  return { ...breach, from: { file, ...(line === undefined ? {} : { line }) } };
}

/** Without what another policy says of the same value at least as strictly: as an error, or with a lower ceiling. */
function strictest(breaches: readonly PolicyBreach[]): readonly PolicyBreach[] {
  const kept = new Map<string, PolicyBreach>();
  for (const breach of breaches) {
    const { rule, path, value, limit } = breach;
    // Lists of two policies have to be known both to write what both allow; of ceilings the lower one is enough.
    const key = JSON.stringify([rule, path, value, ...(rule.startsWith('max-') ? [] : [limit])]);
    const other = kept.get(key);
    if (other === undefined || isStricter(breach, other)) kept.set(key, breach);
  }
  return [...kept.values()];
}

const isStricter = (one: PolicyBreach, other: PolicyBreach): boolean =>
  one.severity === other.severity ? Number(one.limit) < Number(other.limit) : one.severity === 'error';

/**
 * Breaches of a server whose document has errors: only those about what is written. A field that is wrong was replaced
 * by its default, and the rest of a wrong cap_drop would be blamed for what the wrong entry meant to drop.
 */
export function checkFaulty(server: FaultyServer, policies: Policies): readonly PolicyBreach[] {
  return checkPolicy([server], policies).filter(
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
  const { forbidLatest = 'off' } = policy;
  if (forbidLatest !== 'off' && ref.digest === undefined && (ref.tag === undefined || ref.tag === 'latest')) {
    yield breach(subject, {
      rule: 'forbid-latest',
      value: image.ref,
      limit: 'a tag or a digest',
      message: `${named} has ${ref.tag === undefined ? 'no tag' : 'the tag latest'}: what runs changes by itself`,
      path: image.path,
      ...hint,
      ...(forbidLatest === 'warn' ? { severity: 'warning' } : {}),
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

/** Which file says so, and where; undefined for what looms says by itself. */
export const sourceOf = ({ from }: PolicyBreach): string | undefined =>
  from === undefined ? undefined : `${from.file}${from.line === undefined ? '' : `:${from.line}`}`;

/** What to write, and who says so. */
function policyHint(breach: PolicyBreach): Pick<Diagnostic, 'hint'> {
  const source = sourceOf(breach);
  const parts = [
    ...(breach.hint === undefined ? [] : [breach.hint]),
    ...(source === undefined ? [] : [`${source} says so`]),
  ];
  return parts.length === 0 ? {} : { hint: parts.join('; ') };
}

/**
 * A breach as a diagnostic, for a code frame; undefined when it was not read from a file. The frame shows whose it is, and
 * without the server's name the same of many servers is one finding to read.
 */
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
