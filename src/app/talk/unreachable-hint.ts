import { egressText, hasForwarder, isIpv4, isNowhere } from '../../model/container/egress.ts';
import type { DesiredServer, EgressTarget } from '../../model/desired.ts';
import { secretUses } from '../../model/secrets/secret-names.ts';
import type { ListedPlace, Refusal } from '../../model/server-view.ts';

/** What servers of many languages say when a host cannot be reached; the host is the first group, if named. */
const signs = [
  /\b(?:lookup failed for|getaddrinfo \w+|(?:translate|resolve) host ?name)\s+["'[]?([a-z\d_-]+(?:\.[a-z\d_-]+)*)/i,
  /\b(?:lookup|connect(?:ion)? to(?: server at)?)\s+["'[]?([a-z\d_-]+(?:\.[a-z\d_-]+)+)/i,
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b/,
  /\b(?:name or service not known|name resolution|connection refused|network is unreachable|no route to host|all connection attempts failed)\b/i,
];

/** A connection that the forwarder of an allow-list gave up begins all the same, and ends at once. */
const signsOfForwarder = /\b(?:ECONNRESET|socket hang up|connection reset|closed the connection unexpectedly)\b/i;

/** An address that a message names, and that a list could have. */
const addressIn = (said: string): string | undefined =>
  (said.match(/\b(?:\d{1,3}\.){3}\d{1,3}\b/g) ?? []).find((one) => isIpv4(one) && !isNowhere(one));

/** A host that a message does not name. */
const unnamed = 'the host';

/** The port that a message names, beside one of those places or by that word. */
function portIn(said: string, places: readonly string[]): number | undefined {
  const beside = places
    .map((place) => said.indexOf(place))
    .flatMap((at, index) => {
      const after = at < 0 ? '' : said.slice(at + (places[index] ?? '').length);
      return /^['"]?[:,]\s*(\d{1,5})\b/.exec(after)?.[1] ?? [];
    });
  const found = beside[0] ?? /\bport[ =:]+(\d{1,5})\b/i.exec(said)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Whether an entry of a list is about a host. */
const isAbout = (one: EgressTarget, host: string): boolean =>
  one.host === host || (one.host.startsWith('*.') && host.endsWith(one.host.slice(1)));

/**
 * What a server may reach, and what to write so that it reaches a host. Of a port that is not listed for a listed host a
 * forwarder notes nothing, as nobody listens there, so the hint has to say it.
 */
function wayHint(
  host: string,
  { name, network: { mode, egress, egressLearn } }: Pick<DesiredServer, 'name' | 'network'>,
  port: number | undefined,
  ours: string | undefined,
  range: string | undefined,
): string {
  if (mode === 'bridge') return `check that ${host} is right and answers`;
  if (mode === 'none') {
    return `${host} cannot be reached without a network (network.mode: none): with mode: isolated, docker_backend.network.egress lists what the server may reach`;
  }
  const about = egress.filter((one) => isAbout(one, host));
  const listed = about.map(egressText);
  if (port !== undefined && listed.length > 0 && !about.some((one) => one.port === port)) {
    return `port ${port} of ${host} is not listed, only ${listed.join(' and ')}: if that is the right port, add "${host}:${port}" to docker_backend.network.egress`;
  }
  if (ours !== undefined && port !== undefined && !egress.some((one) => one.port === port)) {
    return `${ours} is where the server finds a host of its list, and port ${port} is listed of none: ${egress.length === 0 ? 'nothing' : `only ${egress.map(egressText).join(', ')}`} may be reached; add the host with this port to docker_backend.network.egress`;
  }
  if (listed.length > 0) {
    const found =
      isIpv4(host) || range === undefined ? '' : `; it is found at an address of ${range}, which some programs refuse`;
    return `${listed.join(' and ')} may be reached: check that the port is this one, and that the host answers${found}`;
  }
  const now = egress.length === 0 ? 'nothing outside' : `only ${egress.map(egressText).join(', ')}`;
  const entry = `"${host === unnamed ? 'HOST' : host}:PORT"`;
  if (egressLearn) {
    return `${host} cannot be reached: the server reaches ${now}, and what it tries by name is noted (network.egress_learn); \`looms egress suggest ${name}\` prints the list for its spec`;
  }
  return `${host} cannot be reached: the server reaches ${now} (network.mode: isolated); add ${entry} to docker_backend.network.egress`;
}

/** How many refusals a hint names. */
const namedRefusals = 3;

/** Those of the host, or the most frequent ones where a server did not name it. */
function refusedText(host: string, refused: readonly Refusal[]): string {
  const names = (what: string): readonly string[] => what.toLowerCase().split(/[^a-z0-9._-]+/);
  const about = refused.filter(({ what }) => host === unnamed || names(what).includes(host.toLowerCase()));
  const named = about.slice(0, namedRefusals).map(({ what, times }) => `${what} (${times})`);
  const more = about.length > named.length ? ', …' : '';
  return named.length === 0 ? '' : `; refused so far: ${named.join(', ')}${more}`;
}

/**
 * What to set when a server's words say that a host was not reached; else undefined. `listed` is where it finds the hosts of its
 * list, `refused` what its forwarder noted, the most frequent first.
 */
export function unreachableHint(
  said: string,
  spec: Pick<DesiredServer, 'name' | 'network' | 'environment' | 'mcp'>,
  listed: ListedPlace | undefined,
  refused: readonly Refusal[] = [],
): string | undefined {
  const all = !hasForwarder(spec) ? signs : [...signs, signsOfForwarder];
  const found = all.flatMap((sign) => {
    const match = sign.exec(said);
    return match === null ? [] : [match[1]];
  });
  const ours = listed?.address.exec(said)?.[0];
  if (found.length === 0 && ours !== undefined) {
    return `${ours} is where the server finds a host of network.egress: if it takes public addresses only, it has to be told to take this one (mcp-server-fetch: --allow-private-ips)`;
  }
  if (found.length === 0) return undefined;
  const host = found.find((name) => name !== undefined) ?? addressIn(said) ?? unnamed;
  const provided = secretUses(spec).flatMap(({ refs }) => refs.filter(({ from }) => from === 'provider'));
  const secrets = [...new Set(provided.map(({ name }) => name))];
  const port = portIn(said, [host, ...(ours === undefined ? [] : [ours])]);
  const way = wayHint(host, spec, port, ours, listed?.range) + refusedText(host, refused);
  const values = secrets.map((name) => `\`looms config set-key ${name}\``).join(', ');
  return secrets.length === 0 ? way : `${way}; if the host itself is wrong, ${values} sets another`;
}
