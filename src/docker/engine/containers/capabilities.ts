/** What Podman 5 grants without being asked; it reports `ALL` dropped as this list. */
const podmanDefaults = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;

export type Capabilities = { readonly add: readonly string[]; readonly drop: readonly string[] };

const plain = (names: readonly string[] | null | undefined): string[] =>
  [...new Set((names ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, '')))].sort();

/**
 * Capabilities as they take effect: without `CAP_`, sorted, and Podman's expanded list as the `ALL` that was asked for.
 * Where a list drops most of the defaults, "all but those" says the same; with `ALL` dropped nothing else matters.
 */
export function readCapabilities(
  added: readonly string[] | null | undefined,
  dropped: readonly string[] | null | undefined,
  engine: 'docker' | 'podman',
): Capabilities {
  const [add, drop] = [plain(added), plain(dropped)];
  if (drop.includes('ALL')) return { add, drop: ['ALL'] };
  if (engine === 'docker') return { add, drop };
  const kept = podmanDefaults.filter((name) => !drop.includes(name));
  if (kept.length > podmanDefaults.length / 2) return { add, drop };
  return { add: [...new Set([...add, ...kept])].sort(), drop: ['ALL'] };
}
