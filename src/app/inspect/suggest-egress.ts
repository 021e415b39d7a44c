import { egressText, mostTargets, refusedTimes } from '../../model/container/egress.ts';
import type { EgressTarget } from '../../model/desired.ts';
import { engineNamed } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice, NoticeCode } from '../../model/notices.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { Refusal } from '../../model/server-view.ts';
import { isoTime, shownTime } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import { present } from '../../model/values/present.ts';
import { writtenTarget } from '../../spec/fields/format.ts';
import type { Ports } from '../ports.ts';
import { lookUpServers, refusalsOf } from './servers.ts';

export type EgressSuggestion = {
  readonly server: ServerName;
  readonly project: ProjectName;
  /** What the recorded spec lists: `host:port`. */
  readonly allowed: readonly string[];
  /** What was tried and is not listed, the most frequent first: `host:port`, `host:PORT` where only the name was asked for. */
  readonly missing: readonly (Pick<Refusal, 'times' | 'ofLast'> & { readonly entry: string })[];
  /** What was tried and another entry is no help against. */
  readonly vain: readonly Refusal[];
  /** The part of a spec with both. */
  readonly yaml: string;
};

const hostOf = (entry: string): string => entry.slice(0, entry.lastIndexOf(':'));

/** Whether a list has an entry by now; of one without a port, whether it has the host. */
function isListed(entry: string, targets: readonly EgressTarget[]): boolean {
  const host = hostOf(entry);
  const isSame = (one: EgressTarget): boolean =>
    one.host === host || (one.host.startsWith('*.') && host.endsWith(one.host.slice(1)));
  return targets.some((one) => isSame(one) && (entry.endsWith(':PORT') || entry === `${host}:${one.port}`));
}

/** What is not listed, each entry once; one without a port is left out where another knows the port. */
function missingOf(refused: readonly Refusal[], targets: readonly EgressTarget[]): EgressSuggestion['missing'] {
  const wanted = refused.flatMap(({ entry, times, ofLast }) =>
    entry === null || isListed(entry, targets) ? [] : [{ entry, times, ...defined({ ofLast }) }],
  );
  const withPort = new Set(wanted.filter(({ entry }) => !entry.endsWith(':PORT')).map(({ entry }) => hostOf(entry)));
  return [...Map.groupBy(wanted, ({ entry }) => entry)]
    .filter(([entry]) => !entry.endsWith(':PORT') || !withPort.has(hostOf(entry)))
    .map(([entry, all]) => ({ ...all[0], entry, times: all.reduce((sum, { times }) => sum + times, 0) }))
    .sort((a, b) => b.times - a.times || (a.entry < b.entry ? -1 : 1));
}

function yamlOf(
  targets: readonly EgressTarget[],
  { missing, vain }: Pick<EgressSuggestion, 'missing' | 'vain'>,
): string {
  const lines = [
    ...targets.map((one) => `- ${JSON.stringify(writtenTarget(one))}`),
    ...missing.map((one) => `- ${JSON.stringify(one.entry)} # refused ${refusedTimes(one)}`),
  ];
  const comments = vain.map((one) => `# ${one.what}, ${refusedTimes(one)}`);
  const list = [...(lines.length === 0 ? [' []'] : ['', ...lines]), ...comments].join('\n      ');
  return `docker_backend:\n  network:\n    egress:${list}`;
}

/** A list for a server's spec, pure. */
export function suggestList(
  targets: readonly EgressTarget[],
  refused: readonly Refusal[],
): Pick<EgressSuggestion, 'allowed' | 'missing' | 'vain' | 'yaml'> {
  const missing = missingOf(refused, targets);
  const vain = refused.filter(({ entry }) => entry === null);
  return { allowed: targets.map(egressText), missing, vain, yaml: yamlOf(targets, { missing, vain }) };
}

/**
 * What to list so that a server reaches what it tried, by its recorded spec and by what its forwarder noted. Throws
 * `server-not-found`, `spec-invalid` for a record that cannot be read, `engine-unsupported` where nothing is noted, and what
 * the engine throws.
 */
export async function suggestEgress(
  ports: Ports,
  { project, name }: { readonly project: ProjectName; readonly name: ServerName },
): Promise<{ readonly suggestion: EgressSuggestion; readonly notices: readonly Notice[] }> {
  const { servers, engine } = await lookUpServers(ports, { project, names: [name] });
  const [view] = servers;
  if (view !== undefined && engineNamed(engine, view).kind === 'kubernetes') {
    throw new LoomsError('engine-unsupported', 'a cluster notes nothing of what its NetworkPolicies refuse', {
      hint: `find the list on a Docker Engine (--context docker:NAME), or with what the cluster's network plugin has for it`,
    });
  }
  if (view === undefined) throw serverNotFound(project, name, []);
  if (view.recorded === undefined) {
    throw new LoomsError('spec-invalid', `the record of ${name} cannot be read, so nothing is known of its list`);
  }
  const { mode, egress, egressLearn } = view.recorded.spec.network;
  const { refusals, linesRead } = await refusalsOf(ports, view);
  const list = suggestList(egress, refusals);
  const hosts = new Set([...egress.map(({ host }) => host), ...list.missing.map(({ entry }) => hostOf(entry))]);
  const { forwarder } = view.confinement;
  const about = (code: NoticeCode, message: string): Notice => ({ code, server: name, message });
  const refused = list.missing.length + list.vain.length === 0 ? 'nothing was refused' : 'counted';
  const notices = present([
    forwarder !== null &&
      about(
        'egress-counted-since',
        `${refused} ${
          linesRead === undefined
            ? `since ${shownTime(isoTime(forwarder.since))}, when the forwarder of ${name} was made`
            : `in the last ${linesRead} lines that the forwarder of ${name} wrote`
        }; what was tried before that is not known`,
      ),
    forwarder !== null &&
      egress.length > 0 &&
      !egressLearn &&
      list.missing.length === 0 &&
      about(
        'egress-ports-not-noted',
        'other ports of listed hosts are refused and not noted; with network.egress_learn: true they are',
      ),
    mode === 'isolated' &&
      egress.length === 0 &&
      !egressLearn &&
      about(
        'egress-not-noted',
        `${name} lists nothing yet, so nothing notes what it tries; with network.egress_learn: true it is noted, by host and port`,
      ),
    mode === 'bridge' &&
      about('egress-unlimited', `${name} reaches every host (network.mode: bridge), so nothing is refused`),
    mode === 'none' && about('no-network', `${name} has no network (network.mode: none), so nothing can be noted`),
    list.missing.some(({ entry }) => entry.endsWith(':PORT')) &&
      about('egress-port-unknown', 'write the ports in place of PORT: a name that was refused was never connected to'),
    hosts.size > mostTargets &&
      about('egress-too-many-hosts', `these are ${hosts.size} hosts; a server can be led to ${mostTargets} at most`),
  ]);
  return { suggestion: { server: name, project, ...list }, notices };
}

/** How often is looked for what else was tried, ms. */
const lookEveryMs = 1000;

/** The same again whenever it changed, until `signal` aborts. Throws what `suggestEgress` throws. */
export async function* watchEgress(
  ports: Ports,
  request: Parameters<typeof suggestEgress>[1],
  signal: AbortSignal,
): AsyncGenerator<Awaited<ReturnType<typeof suggestEgress>>> {
  for (let last: string | undefined; !signal.aborted; await ports.pause(lookEveryMs, signal)) {
    const now = await suggestEgress(ports, request);
    if (now.suggestion.yaml === last) continue;
    last = now.suggestion.yaml;
    yield now;
  }
}
