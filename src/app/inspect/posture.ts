import type { DesiredServer } from '../../model/desired.ts';
import { egressText } from '../../model/egress.ts';
import type { EngineDescription } from '../../model/engine.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { mapBounded } from '../../model/map-bounded.ts';
import { secretUses } from '../../model/secret-names.ts';
import type { ServerView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import { readTmpfs } from '../../model/tmpfs.ts';
import { keptCapabilities } from '../../spec/check/policy-rules.ts';
import type { Ports } from '../ports.ts';
import { type Inside, type InsideFile, readInside } from './read-inside.ts';
import { lookUpServers } from './servers.ts';

/**
 * Whether a promise is kept: `broken` by what the engine or the container itself says, `unknown` where the inside could not
 * be asked, `not-there` where the engine cannot give it.
 */
export type PostureVerdict = 'kept' | 'broken' | 'unknown' | 'not-there';

/** One promise of a spec or a default, and what is found of it. Texts for people, with foreign names in them. */
export type PosturePromise = {
  readonly promise: string;
  readonly spec: string;
  readonly engine: string;
  /** Read back by a process in the container; null where it could not be. */
  readonly inside: string | null;
  readonly verdict: PostureVerdict;
};

export type ServerPosture = {
  readonly server: ServerName;
  readonly project: ProjectName;
  readonly container: ContainerId;
  readonly generation: number;
  readonly image: string;
  readonly imageId: string;
  readonly specHash: string;
  /** RFC 3339, UTC. */
  readonly checkedAt: string;
  /** Whether no promise is broken. */
  readonly kept: boolean;
  /** Why nothing was read from inside. */
  readonly notRead?: string;
  readonly promises: readonly PosturePromise[];
};

/** What one promise is, and whether each of both says that it is kept. */
type Looked = {
  readonly promise: string;
  readonly spec: string;
  readonly engine: readonly [text: string, kept: boolean];
  /** undefined: it could not be read. */
  readonly inside: readonly [text: string, kept: boolean | undefined] | undefined;
};

type Look = {
  readonly spec: DesiredServer;
  readonly view: ServerView;
  readonly engine: EngineDescription;
  readonly inside: Inside | undefined;
};

const mebibyte = 1024 * 1024;
const orNone = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));
const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

/** A field of `/proc/PID/status`. */
const statusField = (inside: Inside, process: '1' | 'self', field: string): string | undefined =>
  inside
    .lines(`/proc/${process}/status`)
    .find((line) => line.startsWith(`${field}:`))
    ?.slice(field.length + 1)
    .trim()
    .replaceAll(/\s+/g, ' ');

/** What the first process and one like a session's say, once where they agree. */
function ofBoth<T>(
  inside: Inside | undefined,
  read: (process: '1' | 'self') => T | undefined,
): readonly T[] | undefined {
  if (inside === undefined) return undefined;
  const both = [read('1'), read('self')].filter((one) => one !== undefined);
  return both.length === 2 ? both.filter((one, index) => index === 0 || one !== both[0]) : undefined;
}

const first = (inside: Inside | undefined, ...files: readonly InsideFile[]): string | undefined =>
  files.map((file) => inside?.lines(file)[0]?.trim()).find((line) => line !== undefined && line !== '');

function user({ spec, view, inside }: Look): Looked {
  const wanted = spec.security.user;
  const found = ofBoth(inside, (process) => {
    const [uid, gid] = ['Uid', 'Gid'].map((field) => inside && statusField(inside, process, field)?.split(' ')[0]);
    return uid === undefined || gid === undefined ? undefined : `${uid}:${gid}`;
  });
  const [uid = '', gid] = wanted.replace(/^root(?=:|$)/, '0').split(':');
  // What number a name has only the image knows: then any but root's is as it was asked for.
  const isWanted = (one: string): boolean => {
    const [hasUid, hasGid] = one.split(':');
    const sameUser = /^\d+$/.test(uid) ? Number(hasUid) === Number(uid) : hasUid !== '0';
    return sameUser && (gid === undefined || !/^\d+$/.test(gid) || Number(hasGid) === Number(gid));
  };
  return {
    promise: 'user',
    spec: wanted,
    engine: [view.user || 'the image’s own', view.user === wanted],
    inside: found && [found.join(' and '), found.every(isWanted)],
  };
}

/** By their numbers (linux/capability.h). */
const capabilityNames =
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'.split(
    ' ',
  );

function namesIn(mask: string): readonly string[] {
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => (bits >> BigInt(bit)) & 1n)
    .map((bit) => capabilityNames[bit] ?? `number ${bit}`);
}

function capabilities({ spec, view, inside }: Look): Looked {
  const allowed = keptCapabilities(spec.security);
  const given = view.confinement.privileged ? capabilityNames : keptCapabilities(view.security);
  const fields = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;
  const masks = ofBoth(inside, (process) => {
    const all = fields.map((field) => inside && statusField(inside, process, field));
    return all.every((one) => one !== undefined && /^[0-9a-f]{1,16}$/.test(one)) ? all.join(' ') : undefined;
  });
  const held = masks && [...new Set(masks.flatMap((one) => one.split(' ')).flatMap(namesIn))].sort();
  return {
    promise: 'capabilities',
    spec: orNone(allowed),
    engine: [
      view.confinement.privileged ? 'all (privileged)' : orNone(given),
      given.every((one) => allowed.includes(one)),
    ],
    inside: held && [orNone(held), held.every((one) => allowed.includes(one))],
  };
}

function newPrivileges({ spec, view, inside }: Look): Looked {
  const wanted = spec.security.noNewPrivileges;
  const found = ofBoth(inside, (process) => inside && statusField(inside, process, 'NoNewPrivs'));
  return {
    promise: 'no new privileges',
    spec: yesNo(wanted),
    engine: [yesNo(view.security.noNewPrivileges), view.security.noNewPrivileges || !wanted],
    inside: found && [
      found.map((one) => yesNo(one === '1')).join(' and '),
      !wanted || found.every((one) => one === '1'),
    ],
  };
}

type MountLine = {
  readonly target: string;
  readonly root: string;
  readonly options: readonly string[];
  readonly kind: string;
};

/** Lines of mountinfo (proc(5)): what is mounted where, and how. A later mount of one place hides the one before. */
function mountsIn(inside: Inside): ReadonlyMap<string, MountLine> {
  const plain = (text: string): string =>
    text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return new Map(
    inside.lines('/proc/self/mountinfo').map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , , root = '', target = '', options = ''] = before.split(' ');
      return [
        plain(target),
        { target: plain(target), root, options: options.split(','), kind: after.split(' ')[0] ?? '' },
      ];
    }),
  );
}

function root({ spec, view, inside }: Look): Looked {
  const wanted = spec.security.readOnlyRoot;
  const found = inside && mountsIn(inside).get('/');
  const readOnly = found?.options.includes('ro');
  const words = (value: boolean): string => (value ? 'read-only' : 'writable');
  return {
    promise: 'root file system',
    spec: words(wanted),
    engine: [words(view.security.readOnlyRoot), view.security.readOnlyRoot || !wanted],
    inside: readOnly === undefined ? undefined : [words(readOnly), readOnly || !wanted],
  };
}

function memory({ spec, view, inside }: Look): Looked {
  const wanted = spec.limits.memoryMiB;
  const limit = first(inside, '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const swap = first(inside, '/sys/fs/cgroup/memory.swap.max');
  const withSwap = first(inside, '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes');
  // v2 bounds swap alone, v1 memory and swap together.
  const swapBytes = swap ?? (withSwap === undefined ? undefined : String(Number(withSwap) - Number(limit)));
  const inMiB = (bytes: string): string =>
    /^\d+$/.test(bytes) && Number(bytes) < 2 ** 60
      ? `${Math.round((Number(bytes) / mebibyte) * 10) / 10} MiB`
      : 'no limit';
  const words =
    limit &&
    `${inMiB(limit)}${swapBytes === undefined ? '' : `, swap ${swapBytes === '0' ? 'none' : inMiB(swapBytes)}`}`;
  return {
    promise: 'memory',
    spec: `${wanted} MiB, swap none`,
    engine: [`${view.limits.memoryMiB} MiB`, view.limits.memoryMiB > 0 && view.limits.memoryMiB <= wanted],
    inside:
      limit === undefined || words === undefined
        ? undefined
        : [words, Number(limit) <= wanted * mebibyte && (swapBytes === undefined || swapBytes === '0')],
  };
}

function cpu({ spec, view, inside }: Look): Looked {
  const wanted = spec.limits.cpuCores;
  const [quota, period] = (
    first(inside, '/sys/fs/cgroup/cpu.max') ??
    [first(inside, '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'), first(inside, '/sys/fs/cgroup/cpu/cpu.cfs_period_us')].join(
      ' ',
    )
  ).split(' ');
  const cores = Number(quota) / Number(period);
  const isLimit = Number(quota) > 0 && Number.isFinite(cores);
  const known = quota !== undefined && quota !== '';
  return {
    promise: 'CPU',
    spec: `${wanted} cores`,
    engine: [`${view.limits.cpuCores} cores`, view.limits.cpuCores > 0 && view.limits.cpuCores <= wanted],
    // A quota is of whole microseconds.
    inside: known
      ? [isLimit ? `${Math.round(cores * 1000) / 1000} cores` : 'no limit', isLimit && cores <= wanted + 0.001]
      : undefined,
  };
}

function pids({ spec, view, inside }: Look): Looked {
  const wanted = spec.limits.pidsLimit;
  const found = first(inside, '/sys/fs/cgroup/pids.max', '/sys/fs/cgroup/pids/pids.max');
  return {
    promise: 'processes',
    spec: String(wanted),
    engine: [
      view.limits.pids > 0 ? String(view.limits.pids) : 'no limit',
      view.limits.pids > 0 && view.limits.pids <= wanted,
    ],
    inside: found === undefined ? undefined : [found === 'max' ? 'no limit' : found, Number(found) <= wanted],
  };
}

function wayOut(gateway: Inside['gateway']): string {
  if (gateway === undefined || gateway.answers === false) return 'no way out';
  const { address, answers } = gateway;
  return answers ? `a way out by ${address}` : `a route to ${address}, which was not tried`;
}

function network({ spec, view, inside }: Look): Looked {
  const { mode } = spec.network;
  const { networks, publishes } = view.confinement;
  const open = networks.filter(({ internal }) => !internal);
  const names = networks.map(({ name, internal }) => `${name} (${internal ? 'no way out' : 'open'})`);
  const published = publishes.length === 0 ? '' : `, publishes ${publishes.join(', ')}`;
  const interfaces = inside
    ?.lines('/proc/self/net/dev')
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== 'lo' && name !== '');
  const isRead = inside !== undefined && inside.lines('/proc/self/net/dev').length > 2;
  const gateway = inside?.gateway;
  const hasWay = gateway === undefined ? false : gateway.answers;
  const words = { isolated: 'isolated: no way out', none: 'none', bridge: 'bridge: open' } as const;
  const asEngine = { isolated: open.length === 0, none: networks.length === 0, bridge: true };
  const asInside = {
    isolated: hasWay === undefined ? undefined : !hasWay,
    none: (interfaces ?? []).length === 0,
    bridge: true,
  };
  const found = [(interfaces ?? []).join(', ') || 'loopback only', wayOut(gateway)].join(', ');
  return {
    promise: 'network',
    spec: words[mode],
    engine: [orNone(names) + published, asEngine[mode] && publishes.length === 0],
    inside: isRead ? [found, asInside[mode]] : undefined,
  };
}

/** What of the outside is within its reach: by the engine, as the inside cannot tell a host that does not answer. */
function egress({ spec, view }: Look): Looked {
  const { mode, egress: targets } = spec.network;
  const { networks, forwarder } = view.confinement;
  const open = networks.filter(({ internal }) => !internal).map(({ name }) => name);
  const openText = open.length === 0 ? 'no open network' : `open by ${open.join(', ')}`;
  if (mode === 'bridge') return { promise: 'egress', spec: 'every host', engine: [openText, true], inside: undefined };
  const led = forwarder?.running === true && forwarder.joined;
  const words =
    forwarder === null
      ? 'no forwarder has this list'
      : `${forwarder.running ? 'by' : 'stopped:'} ${forwarder.name}${forwarder.joined ? '' : ', which is not on its network'}`;
  const needsNone = targets.length === 0;
  return {
    promise: 'egress',
    spec: needsNone ? 'nothing' : `only ${targets.map(egressText).join(', ')}`,
    engine: [
      needsNone ? openText : `${words}, ${openText}`,
      open.length === 0 && (needsNone || led || view.status.status !== 'running'),
    ],
    inside: undefined,
  };
}

/** What every container has mounted, by the engine itself. */
const ofEngine =
  /^\/(?:$|proc|sys|dev|etc\/(?:hosts|hostname|resolv\.conf)$|run\/(?:\.containerenv|looms)$|(?:usr\/)?s?bin\/docker-init$|run\/podman-init$|dev\/)/;

function mounts({ spec, view, inside }: Look): Looked {
  const asked = new Map(spec.mounts.map(({ target, readOnly }) => [target, readOnly]));
  const say = (target: string, readOnly: boolean): string => `${target}${readOnly ? ' (read-only)' : ''}`;
  const asWanted = (target: string, readOnly: boolean): boolean => {
    const wanted = asked.get(target);
    return wanted !== undefined && (readOnly || !wanted);
  };
  const found = inside && mountsIn(inside);
  const tmpfs = new Set(view.confinement.tmpfs);
  // Anonymous volumes are what an image asks for with VOLUME.
  const others = [...(found?.values() ?? [])].filter(
    ({ target, root: from }) =>
      !ofEngine.test(target) &&
      !/^\/(?:proc|sys|dev)\//.test(target) &&
      !tmpfs.has(target) &&
      !/\/volumes\/[0-9a-f]{64}\/_data$/.test(from),
  );
  const seen = others.map(({ target, options }) => ({ target, readOnly: options.includes('ro') }));
  const missing = [...asked.keys()].filter((target) => !seen.some((one) => one.target === target));
  const insideWords = [
    ...seen.map((one) => say(one.target, one.readOnly)),
    ...missing.map((one) => `${one} is missing`),
  ];
  return {
    promise: 'mounts',
    spec: orNone(spec.mounts.map(({ target, readOnly }) => say(target, readOnly))),
    engine: [
      orNone(view.mounts.map(({ target, readOnly }) => say(target, readOnly))),
      view.mounts.length === asked.size && view.mounts.every(({ target, readOnly }) => asWanted(target, readOnly)),
    ],
    inside:
      found === undefined || found.size === 0
        ? undefined
        : [orNone(insideWords), missing.length === 0 && seen.every((one) => asWanted(one.target, one.readOnly))],
  };
}

function tmpfs({ spec, view, inside }: Look): Looked {
  const wanted = new Map(
    Object.entries(spec.security.tmpfs).map(([path, size]) => [path, readTmpfs(size)?.exec === true]),
  );
  const say = (path: string, exec: boolean): string => `${path}${exec ? ' (runs programs)' : ''}`;
  const found = inside && mountsIn(inside);
  const seen = [...wanted.keys()].map((path) => {
    const line = found?.get(path);
    return { path, isThere: line?.kind === 'tmpfs', exec: line?.options.includes('noexec') === false };
  });
  return {
    promise: 'in memory',
    spec: orNone([...wanted].map(([path, exec]) => say(path, exec))),
    engine: [orNone(view.confinement.tmpfs), [...wanted.keys()].every((path) => view.confinement.tmpfs.includes(path))],
    inside:
      found === undefined || found.size === 0
        ? undefined
        : [
            orNone(seen.map(({ path, isThere, exec }) => (isThere ? say(path, exec) : `${path} is not`))),
            seen.every(({ path, isThere, exec }) => isThere && (!exec || wanted.get(path) === true)),
          ],
  };
}

function hostAccess({ view }: Look): Looked {
  const { privileged, devices, sharedNamespaces } = view.confinement;
  const found = [
    ...(privileged ? ['privileged'] : []),
    ...devices.map((device) => `device ${device}`),
    ...sharedNamespaces.map((one) => `namespace ${one}`),
  ];
  return {
    promise: 'devices, namespaces',
    spec: 'its own',
    engine: [found.length === 0 ? 'its own' : found.join(', '), found.length === 0],
    inside: undefined,
  };
}

function secrets({ spec, view, inside }: Look): Looked {
  const names = secretUses(spec).map(({ variable }) => variable);
  const inConfig = names.filter((name) => view.confinement.environment.includes(name));
  const isStdio = spec.mcp.transport.kind === 'stdio';
  const kept = isStdio ? 'in sessions only' : 'in the process only';
  const words = (found: readonly string[], where: string): string =>
    found.length === 0 ? `none ${where}` : `${found.join(', ')} ${where}`;
  const variables = inside?.variables;
  return {
    promise: 'secrets',
    spec: names.length === 0 ? 'none' : `${names.join(', ')}: ${kept}`,
    engine: [words(inConfig, 'in its configuration'), inConfig.length === 0],
    inside:
      variables === undefined ? undefined : [words(variables, 'in process 1'), !isStdio || variables.length === 0],
  };
}

/** A security module of the kernel: whether the engine has it, and whether this container is without it. */
function profile(
  { view, engine }: Look,
  name: 'seccomp' | 'apparmor',
  inside: readonly [text: string, kept: boolean] | undefined,
): Looked {
  const own = view.confinement.securityOptions.filter((option) => option.startsWith(name));
  const off = view.confinement.privileged || own.some((option) => option.includes('unconfined'));
  return {
    promise: name === 'seccomp' ? 'seccomp' : 'AppArmor',
    spec: 'the engine’s profile',
    engine: [
      own.length > 0
        ? own.join(', ')
        : off
          ? 'off (privileged)'
          : engine.securityModules.includes(name)
            ? 'its profile'
            : 'does not have it',
      !off,
    ],
    inside,
  };
}

function seccomp(look: Look): Looked {
  const { inside } = look;
  const found = ofBoth(inside, (process) => inside && statusField(inside, process, 'Seccomp'));
  const words = (mode: string): string => (mode === '2' ? 'filtered' : mode === '1' ? 'strict' : 'not filtered');
  return profile(look, 'seccomp', found && [found.map(words).join(' and '), found.every((mode) => mode !== '0')]);
}

function apparmor(look: Look): Looked {
  const found = first(look.inside, '/proc/self/attr/current')?.replace(/\0$/, '');
  return profile(look, 'apparmor', found === undefined ? undefined : [found, !/^unconfined/.test(found)]);
}

function verdictOf({ promise, engine, inside }: Looked, modules: readonly string[]): PostureVerdict {
  const isModule = promise === 'seccomp' || promise === 'AppArmor';
  if (isModule && !modules.includes(promise.toLowerCase())) return 'not-there';
  if (!engine[1] || inside?.[1] === false) return 'broken';
  // Only the engine knows of these.
  if (promise === 'devices, namespaces' || promise === 'egress') return 'kept';
  return inside?.[1] === undefined ? 'unknown' : 'kept';
}

const promises = [
  user,
  capabilities,
  newPrivileges,
  root,
  memory,
  cpu,
  pids,
  network,
  egress,
  mounts,
  tmpfs,
  hostAccess,
  seccomp,
  apparmor,
  secrets,
] as const;

/** What a spec and the defaults promise of a server beside what the engine and the container say. Pure. */
const judgePosture = (look: Look): readonly PosturePromise[] =>
  promises.map((promise) => {
    const looked = promise(look);
    const { engine, inside, ...rest } = looked;
    const verdict = verdictOf(looked, look.engine.securityModules);
    return { ...rest, engine: engine[0], inside: inside?.[0] ?? null, verdict };
  });

/** Servers that are asked at once. */
const width = 4;

/**
 * Looks at the posture of the servers of a project, all or those named: one process in each container that runs reads how
 * it is confined. Changes nothing. A server whose record cannot be read promises nothing, and is a notice.
 * Throws `server-not-found`, and what the engine throws.
 */
export async function lookAtPosture(
  ports: Ports,
  request: { readonly project: ProjectName; readonly names: readonly ServerName[] },
): Promise<{ readonly servers: readonly ServerPosture[]; readonly notices: readonly string[] }> {
  const { servers: views, engine } = await lookUpServers(ports, request);
  const notices = views.flatMap(({ name, recorded }) =>
    recorded === undefined ? [`${name}: its record cannot be read, so nothing is known of what it should be`] : [],
  );
  const readable = views.flatMap((view) => (view.recorded === undefined ? [] : [{ view, spec: view.recorded.spec }]));
  const servers = await mapBounded(readable, width, async ({ view, spec }): Promise<ServerPosture> => {
    const names = secretUses(spec).map(({ variable }) => variable);
    const inside =
      view.status.status === 'running' ? await readInside(ports, view.container, names) : { why: 'it does not run' };
    const found = judgePosture({ spec, view, engine, inside: 'why' in inside ? undefined : inside });
    const { name, project, container, generation, image, imageId, specHash } = view;
    return {
      ...{ server: name, project, container, generation, image, imageId, specHash },
      checkedAt: isoTime(ports.now()),
      kept: found.every(({ verdict }) => verdict !== 'broken'),
      ...('why' in inside ? { notRead: inside.why } : {}),
      promises: found,
    };
  });
  return { servers, notices };
}
