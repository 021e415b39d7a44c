import type { DesiredServer, EnvValue } from '../../model/desired.ts';

/**
 * What servers of many languages say when a host cannot be reached; the host in the first group, where they name it.
 */
const signs = [
  /\b(?:lookup failed for|getaddrinfo \w+|(?:translate|resolve) host ?name)\s+["'[]?([a-z\d_-]+(?:\.[a-z\d_-]+)*)/i,
  /\b(?:lookup|connect(?:ion)? to(?: server at)?)\s+["'[]?([a-z\d_-]+(?:\.[a-z\d_-]+)+)/i,
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b/,
  /\b(?:name or service not known|name resolution|connection refused|network is unreachable|no route to host)\b/i,
];

function secretNames(values: readonly EnvValue[]): readonly string[] {
  const parts = values.flatMap((value) => (value.kind === 'secret' ? value.parts : []));
  return [
    ...new Set(parts.flatMap((part) => (typeof part === 'string' || part.from !== 'provider' ? [] : [part.name]))),
  ];
}

/**
 * What to set when a server says that it could not reach a host; undefined when it says nothing like it. A server has
 * only words for this, so they are looked at: here alone, and for a hint alone.
 */
export function unreachableHint(
  said: string,
  spec: Pick<DesiredServer, 'network' | 'environment' | 'mcp'>,
): string | undefined {
  const found = signs.flatMap((sign) => {
    const match = sign.exec(said);
    return match === null ? [] : [match[1]];
  });
  if (found.length === 0) return undefined;
  const host = found.find((name) => name !== undefined) ?? 'the host';
  const { mode } = spec.network;
  const secrets = secretNames([...Object.values(spec.environment), ...Object.values(spec.mcp.env)]);
  const way =
    mode === 'bridge'
      ? `check that ${host} is right and answers`
      : `${host} cannot be reached from its network (network.mode: ${mode}): docker_backend.network.egress is where it will be allowed, which this version does not carry out yet; network.mode: bridge opens the network`;
  const values = secrets.map((name) => `\`looms config set-key ${name}\``).join(', ');
  return secrets.length === 0 ? way : `${way}; if the host itself is wrong, ${values} sets another`;
}
