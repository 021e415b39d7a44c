import { linuxCapabilities } from '../../../model/container/capabilities.ts';
import { secretUses } from '../../../model/secrets/secret-names.ts';
import { keptCapabilities } from '../../../spec/check/policy-rules.ts';
import {
  first,
  type Inner,
  type Look,
  type Looked,
  ofBoth,
  orNone,
  type SecurityModule,
  statusField,
  yesNo,
} from './posture-look.ts';

/** Settings of these kinds that a container has and no spec can ask for. */
const settingsOf = ({ view }: Look, ...kinds: readonly string[]): readonly string[] =>
  view.confinement.otherSettings.filter((setting) => kinds.some((kind) => setting.startsWith(`${kind}=`)));

/** Its user and groups: those of its first process and of one like a session’s. */
export function user(look: Look): Looked {
  const { spec, view, inside } = look;
  const wanted = spec.security.user;
  const added = settingsOf(look, 'group-add');
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
  // Without a group of its own a user has those that the image gives it.
  const groups = ofBoth(inside, (process) => inside && statusField(inside, process, 'Groups'));
  const others = [...new Set((groups ?? []).flatMap((line) => line.split(' ')))].filter(
    (one) => one !== '' && gid !== undefined && /^\d+$/.test(gid) && Number(one) !== Number(gid),
  );
  const inGroups = others.length === 0 ? '' : `, in groups ${others.join(', ')}`;
  return {
    promise: 'user',
    spec: wanted,
    engine: [[view.user || 'the image’s own', ...added].join(', '), view.user === wanted && added.length === 0],
    inside: found && [found.join(' and ') + inGroups, found.every(isWanted) && others.length === 0],
  };
}

function namesIn(mask: string): readonly string[] {
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => (bits >> BigInt(bit)) & 1n)
    .map((bit) => linuxCapabilities[bit] ?? `number ${bit}`);
}

/** Its capabilities: no set of a process may hold one that the spec does not keep. */
export function capabilities({ spec, view, inside }: Look): Looked {
  const allowed = keptCapabilities(spec.security);
  const given = view.confinement.privileged ? linuxCapabilities : keptCapabilities(view.security);
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

/** Whether its processes can gain privileges, by setuid programs say. A spec that lets them is kept by either. */
export function newPrivileges({ spec, view, inside }: Look): Looked {
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

/** What of the host it has beside files and network. Only the engine knows of these. */
export function hostAccess(look: Look): Looked {
  const { privileged, devices, sharedNamespaces, securityOptions } = look.view.confinement;
  const found = [
    ...(privileged ? ['privileged'] : []),
    ...devices.map((device) => `device ${device}`),
    ...sharedNamespaces.map((one) => `namespace ${one}`),
    ...settingsOf(look, 'cgroupns', 'device-cgroup-rule', 'gpus', 'userns', 'uts'),
    // What is no profile of the two modules below: `systempaths=unconfined`, `label=disable`.
    ...securityOptions.filter((option) => !/^(?:seccomp|apparmor)\b/.test(option)),
  ];
  return {
    promise: 'devices, namespaces',
    spec: 'its own',
    engine: [found.length === 0 ? 'its own' : found.join(', '), found.length === 0],
    inside: 'not-asked',
  };
}

/**
 * A security module of the kernel: whether the engine has it, and whether this container is under the engine's profile. One
 * of its own may allow anything, whatever it is called.
 */
function profile({ view, engine }: Look, name: SecurityModule, inside: Inner): Looked {
  const own = view.confinement.securityOptions.filter((option) => option.startsWith(name));
  const isThere = engine.securityModules.includes(name);
  const off = view.confinement.privileged || own.length > 0;
  return {
    promise: name === 'seccomp' ? 'seccomp' : 'AppArmor',
    engineLacksIt: !isThere,
    spec: 'the engine’s profile',
    engine: [
      own.length > 0 ? own.join(', ') : off ? 'off (privileged)' : isThere ? 'its profile' : 'does not have it',
      !off,
    ],
    inside,
  };
}

/** Whether its system calls are filtered, by the engine’s own profile. */
export function seccomp(look: Look): Looked {
  const { inside } = look;
  const found = ofBoth(inside, (process) => inside && statusField(inside, process, 'Seccomp'));
  const words = (mode: string): string => (mode === '2' ? 'filtered' : mode === '1' ? 'strict' : 'not filtered');
  return profile(look, 'seccomp', found && [found.map(words).join(' and '), found.every((mode) => mode !== '0')]);
}

/** Whether AppArmor confines it, by the engine’s own profile. */
export function apparmor(look: Look): Looked {
  const found = first(look.inside, '/proc/self/attr/current')?.replace(/\0$/, '');
  return profile(look, 'apparmor', found === undefined ? undefined : [found, !/^unconfined/.test(found)]);
}

/** Where values of secrets are: never in its configuration, nor in the first process where sessions have their own. */
export function secrets({ spec, view, engine, inside }: Look): Looked {
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
    // Sessions of a pod have the environment of its container, and no other.
    engineLacksIt:
      engine.kind === 'kubernetes' &&
      isStdio &&
      inConfig.length === 0 &&
      variables !== undefined &&
      variables.length > 0,
  };
}
