import { egressText, hasForwarder, isIpv4 } from '../../../model/container/egress.ts';
import { readTmpfs } from '../../../model/container/tmpfs.ts';
import { type EgressTarget, usualWorkingDir } from '../../../model/desired.ts';
import type { ServerView } from '../../../model/server-view.ts';
import { type Look, type Looked, orNone } from './posture-look.ts';
import { namesInside } from './posture-names.ts';
import type { Inside } from './read-inside.ts';

function wayOut(gateway: Inside['gateway']): string {
  if (gateway === undefined || gateway.answers === false) return 'no way out';
  const { address, answers } = gateway;
  return answers ? `a way out by ${address}` : `a route to ${address}, which was not tried`;
}

/** Its networks, and whether they lead anywhere: to the outside, to the engine’s host, to what the record does not name. */
export function network({ spec, view, engine, inside }: Look): Looked {
  const { mode } = spec.network;
  const { networks, publishes } = view.confinement;
  const open = networks.filter(({ internal }) => !internal);
  const isForeign = networks.some(({ isRecorded }) => !isRecorded);
  const names = networks.map(
    ({ name, internal, ipv6, isRecorded }) =>
      `${name} (${internal ? 'no way out' : 'open'}${ipv6 ? ', IPv6' : ''}${isRecorded ? '' : ', not of its record'})`,
  );
  const published = publishes.length === 0 ? '' : `, publishes ${publishes.join(', ')}`;
  const interfaces = inside
    ?.lines('/proc/self/net/dev')
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== 'lo' && name !== '')
    .sort();
  const isRead = inside !== undefined && inside.lines('/proc/self/net/dev').length > 2;
  // An address of a link is enough: the bridge has one as well, and the host listens there.
  const withIpv6 = new Set(
    inside?.lines('/proc/self/net/if_inet6').flatMap((line) => {
      const name = line.split(/\s+/)[5] ?? '';
      return name === 'lo' || name === '' ? [] : [name];
    }),
  );
  const gateway = inside?.gateway;
  const hasWay = withIpv6.size > 0 || (gateway === undefined ? false : gateway.answers);
  const words = { isolated: 'isolated: no way out', none: 'none', bridge: 'bridge: open' } as const;
  // What isolated promises of the host, not every engine can keep (Podman).
  const reachesHost = mode === 'isolated' && networks.length > 0 && !view.hidesHost;
  // A cluster promises nothing of a pod and its node, and does not tell.
  const isOfCluster = engine.kind === 'kubernetes';
  const host = reachesHost
    ? isOfCluster
      ? ', its node may be within reach'
      : ', the engine’s host is within reach'
    : '';
  const closed = { isolated: open.length === 0, none: networks.length === 0, bridge: true };
  const isAsRecorded = closed[mode] && publishes.length === 0 && !isForeign;
  const asInside = {
    isolated: hasWay === undefined ? undefined : !hasWay,
    none: (interfaces ?? []).length === 0,
    bridge: true,
  };
  const found = [
    (interfaces ?? []).join(', ') || 'loopback only',
    wayOut(gateway),
    ...(withIpv6.size === 0 ? [] : [`IPv6 at ${[...withIpv6].join(', ')}`]),
  ].join(', ');
  return {
    promise: 'network',
    spec: words[mode],
    engineLacksIt: isOfCluster && reachesHost && isAsRecorded,
    engine: [orNone(names) + host + published, isAsRecorded && !reachesHost],
    // Policies of a cluster close a pod's way out at its end elsewhere: its interface and route are there all the same.
    inside: isOfCluster ? 'not-asked' : isRead ? [found, asInside[mode]] : undefined,
  };
}

/**
 * What of the outside is within its reach: by the engine, as the inside cannot tell a host that does not answer. Inside is
 * read where names lead.
 */
export function egress(look: Look): Looked {
  const { spec, view } = look;
  const { mode, egress: targets } = spec.network;
  const { networks, forwarder } = view.confinement;
  const namesOf = (found: typeof networks): string => found.map(({ name }) => name).join(', ');
  const open = networks.filter(({ internal }) => !internal);
  // Closed as such a network is: another server's forwarder may lead out of it.
  const others = networks.filter(({ internal, isRecorded }) => internal && !isRecorded);
  const reach = [
    open.length === 0 ? 'no open network' : `open by ${namesOf(open)}`,
    ...(others.length === 0 ? [] : [`within reach of ${namesOf(others)}, not of its record`]),
  ].join(', ');
  if (mode === 'bridge') return { promise: 'egress', spec: 'every host', engine: [reach, true], inside: 'not-asked' };
  const needsNone = !hasForwarder(spec);
  const led = forwarder?.running === true && forwarder.joined && forwarder.differs.length === 0;
  // What is not as it is made may lead to more, whether its server runs or not.
  const leadsElsewhere = forwarder !== null && forwarder.differs.length > 0;
  const isIdle = view.status.status !== 'running' && !leadsElsewhere;
  return {
    promise: 'egress',
    spec: needsNone
      ? 'nothing'
      : [
          targets.length === 0 ? 'nothing' : `only ${targets.map(egressText).join(', ')}`,
          ...(spec.network.egressLearn ? ['the rest is noted'] : []),
        ].join(', '),
    engine: [
      needsNone ? reach : `${forwarderText(forwarder)}${led ? standInsText(targets) : ''}, ${reach}`,
      open.length === 0 && others.length === 0 && (needsNone || led || isIdle),
    ],
    inside: mode === 'none' ? 'not-asked' : namesInside(look),
  };
}

function forwarderText(forwarder: ServerView['confinement']['forwarder']): string {
  if (forwarder === null) return 'no forwarder has this list';
  const { name, running, joined, differs } = forwarder;
  return [
    `${running ? 'by' : 'stopped:'} ${name}`,
    ...(joined ? [] : ['whose network it is not on']),
    ...(differs.length === 0 ? [] : [`which is changed in ${differs.join(', ')}`]),
  ].join(', ');
}

/** What an address on its list takes besides; those are as they are made where the forwarder of the view is. */
function standInsText(targets: readonly EgressTarget[]): string {
  const addresses = new Set(targets.map(({ host }) => host).filter(isIpv4));
  return addresses.size === 0 ? '' : ` and what stands in for ${[...addresses].join(', ')}`;
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

/** Whether its root file system can be written. */
export function root({ spec, view, inside }: Look): Looked {
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

/** What the kernel needs in every container. */
const ofKernel = /^\/(?:$|(?:proc|sys|dev)(?:\/|$))/;

/** What is mounted in it, but for what every container has, tmpfs and volumes that its image asks for. */
export function mounts({ spec, view, inside }: Look): Looked {
  const asked = new Map(spec.mounts.map(({ target, readOnly }) => [target, readOnly]));
  const { recordedMounts, engineMounts } = view.confinement;
  const say = (target: string, readOnly: boolean): string => `${target}${readOnly ? ' (read-only)' : ''}`;
  const asWanted = (target: string, readOnly: boolean): boolean => {
    const wanted = asked.get(target);
    return wanted !== undefined && (readOnly || !wanted);
  };
  // What is mounted only the engine can tell: inside, a folder of the host has no name.
  const live = view.mounts.map((mount) => {
    const { target, readOnly } = mount;
    const isIt = recordedMounts.some(
      (one) => one.target === target && one.type === mount.type && one.source === mount.source,
    );
    return {
      text: isIt ? say(target, readOnly) : `${say(target, readOnly)} from ${mount.type} ${mount.source}`,
      kept: isIt && asWanted(target, readOnly),
    };
  });
  const found = inside && mountsIn(inside);
  const tmpfs = new Set(view.confinement.tmpfs.map(({ path }) => path));
  // Anonymous volumes are what an image asks for with VOLUME.
  const others = [...(found?.values() ?? [])].filter(
    ({ target, root: from, kind }) =>
      !ofKernel.test(target) &&
      !engineMounts.at.has(target) &&
      !(kind === 'tmpfs' && engineMounts.tmpfsAt.has(target)) &&
      !tmpfs.has(target) &&
      !engineMounts.unnamedVolume.test(from),
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
    engine: [orNone(live.map(({ text }) => text)), live.length === asked.size && live.every(({ kept }) => kept)],
    inside:
      found === undefined || found.size === 0
        ? undefined
        : [orNone(insideWords), missing.length === 0 && seen.every((one) => asWanted(one.target, one.readOnly))],
  };
}

/** Which of its folders are in memory, and whether programs run in them. */
export function tmpfs({ spec, view, engine, inside }: Look): Looked {
  const asked = Object.entries(spec.security.tmpfs).map(
    ([path, size]) => [path, readTmpfs(size)?.exec === true] as const,
  );
  // Its working directory is in memory where its image has none (docs/spec.md, `working_dir`).
  const usual = spec.workingDir ?? usualWorkingDir;
  const live = view.confinement.tmpfs;
  const wanted = new Map([...(live.some(({ path }) => path === usual) ? [[usual, false] as const] : []), ...asked]);
  const say = (path: string, exec: boolean): string => `${path}${exec ? ' (runs programs)' : ''}`;
  const found = inside && mountsIn(inside);
  const seen = [...wanted.keys()].map((path) => {
    const line = found?.get(path);
    return { path, isThere: line?.kind === 'tmpfs', exec: line?.options.includes('noexec') === false };
  });
  const isMore = ({ path, exec }: { readonly path: string; readonly exec: boolean }): boolean =>
    exec && wanted.get(path) !== true;
  const engineHas =
    [...wanted.keys()].every((path) => live.some((one) => one.path === path)) &&
    live.every(({ path }) => wanted.has(path));
  const insideHas = seen.every(({ isThere }) => isThere);
  const isRead = found !== undefined && found.size > 0;
  return {
    promise: 'in memory',
    // No volume of a pod can be kept from running programs.
    engineLacksIt:
      engine.kind === 'kubernetes' &&
      engineHas &&
      (!isRead || insideHas) &&
      (live.some(isMore) || (isRead && seen.some(isMore))),
    spec: orNone([...wanted].map(([path, exec]) => say(path, exec)).sort()),
    engine: [orNone(live.map(({ path, exec }) => say(path, exec)).sort()), engineHas && !live.some(isMore)],
    inside: isRead
      ? [
          orNone(seen.map(({ path, isThere, exec }) => (isThere ? say(path, exec) : `${path} is not`)).sort()),
          insideHas && !seen.some(isMore),
        ]
      : undefined,
  };
}
