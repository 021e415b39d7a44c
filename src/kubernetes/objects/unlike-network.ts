import { isIpv4, ledByName } from '../../model/container/egress.ts';
import type { DesiredServer, EgressTarget } from '../../model/desired.ts';
import { present } from '../../model/values/present.ts';
import type { Unlike } from '../../orchestrator/export.ts';
import { isPodHostName } from '../model/names.ts';
import { approximate, refused, type Where } from './where.ts';

/** What of a server's network is otherwise where policies of a cluster hold its traffic back. */
export function unlikeOfNetwork(spec: DesiredServer): readonly Unlike[] {
  const { mode, egress, egressLearn } = spec.network;
  const odd = egress.find(({ host, address }) => address !== undefined && !isIpv4(host) && !isPodHostName(host));
  const walled =
    'network policies hold its traffic back, where the cluster enforces them, as `looms doctor --probe` tries';
  return present([
    mode === 'isolated' &&
      approximate('docker_backend.network.mode', `${walled}; servers of the project do not find each other by name`),
    mode === 'none' && approximate('docker_backend.network.mode', `it has an interface all the same: ${walled}`),
    odd !== undefined &&
      refused(
        'docker_backend.network.egress',
        `${odd.host} cannot be a name for an address in a pod`,
        'give it a name of lower-case letters, digits, dots and inner hyphens',
      ),
    egress.some(({ tls, address }) => tls && address !== undefined) &&
      approximate(
        'docker_backend.network.egress',
        'every host at a listed address is reached: a network policy does not look for the name in TLS',
      ),
    egressLearn &&
      refused(
        'docker_backend.network.egress_learn',
        'what a server tries is noted by a forwarder, which there is on an engine only',
        'learn its list on an engine (`looms egress suggest`), and take egress_learn out',
      ),
  ]);
}

/** What an entry of a name is where no policy knows names. */
const withAddress = ({ host, port }: EgressTarget): string =>
  host.startsWith('*.')
    ? 'each host below it as { host: NAME, address: ADDRESS, port: PORT }'
    : `{ host: ${host}, address: ADDRESS, port: ${port} }`;

/** What of the hosts that a server is let out to by name is otherwise. */
export function unlikeOfNames(spec: DesiredServer, { leadsByName, keptByLooms }: Where): readonly Unlike[] {
  const path = 'docker_backend.network.egress';
  const names = ledByName(spec);
  const [first] = names;
  if (first === undefined) return [];
  if (leadsByName === false) {
    const hint = `write ${withAddress(first)}; names are let out by Cilium alone, where that is the cluster's network plugin`;
    return [refused(path, `${first.host} is a name, and the policies of this cluster know addresses`, hint)];
  }
  const short = names.find(({ host }) => !host.includes('.'));
  const inside = names.find(({ host }) => /\.(?:svc|cluster\.local)$/.test(host));
  const needs = keptByLooms ? '' : ', which the cluster needs for it';
  return present([
    short !== undefined &&
      refused(
        path,
        `${short.host} is no whole name, and pods ask for names as they stand`,
        `write it with its domain, or ${withAddress(short)}`,
      ),
    inside !== undefined &&
      refused(
        path,
        `${inside.host} is a name of the cluster itself, and only hosts outside of it are let out to by name`,
        'take it out, and let the server reach it by a NetworkPolicy of yours',
      ),
    approximate(
      path,
      `names are let out by a policy of Cilium${needs}; it goes by what the cluster's name service answers`,
    ),
  ]);
}
