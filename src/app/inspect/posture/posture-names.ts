import type { Inner, Look } from './posture-look.ts';

/** Lines of hosts(5): each name with the addresses that it has. */
function hostsIn(lines: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const entries = lines.flatMap((line) => {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    return names.map((name) => ({ name: name.toLowerCase(), address }));
  });
  const found = Map.groupBy(entries, ({ name }) => name);
  return new Map([...found].map(([name, all]) => [name, [...new Set(all.map(({ address }) => address))]]));
}

/**
 * Where names lead an isolated server, as its own files say: each listed one to the place that its forwarder has for it,
 * and all questions to the engine, which hands on to whom the container was made with. Where the engine is asked at no
 * address of its own, only the engine can tell.
 */
export function namesInside({ view, inside }: Look): Inner {
  const { nameServer } = view.confinement;
  if (nameServer === null) return 'not-asked';
  const servers = inside?.lines('/etc/resolv.conf').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  if (inside === undefined || servers === undefined || servers.length === 0) return undefined;
  const hosts = hostsIn(inside.lines('/etc/hosts'));
  const listed = view.confinement.listedNames.map(({ name, address }) => {
    const found = hosts.get(name) ?? [];
    const kept = found.length === 1 && found[0] === address;
    return { text: found.length === 0 ? `${name} is missing` : `${name} at ${found.join(' and ')}`, kept };
  });
  const others = servers.filter((one) => one !== nameServer);
  const asked = others.length === 0 ? 'the engine' : others.join(', ');
  return [
    [...listed.map(({ text }) => text), `names by ${asked}`].join(', '),
    others.length === 0 && listed.every(({ kept }) => kept),
  ];
}
