import { ledByName } from '../../model/container/egress.ts';
import type { DesiredServer } from '../../model/desired.ts';
import { isNonEmpty } from '../../model/plan.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { present } from '../../model/values/present.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { apiVersionOf } from '../model/kinds.ts';
import { label, workloadName } from '../model/names.ts';
import type { KubeObject, Metadata } from '../model/objects.ts';

type Meta = (name: string, server?: DesiredServer) => Metadata;

const policy = (metadata: Metadata, spec: object): KubeObject => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata,
  spec,
});

const podsOf = (mode: DesiredServer['network']['mode']): object => ({ matchLabels: { [label.network]: mode } });

/**
 * What keeps the pods of a project apart: nothing reaches a pod or is reached from it, unless a further policy says so.
 * Those of `bridge` reach all, and one another; isolated ones one another; and each what it lists.
 */
export function networkPolicies(servers: readonly DesiredServer[], meta: Meta): readonly KubeObject[] {
  const among = (mode: 'isolated' | 'bridge', egress: readonly object[]): KubeObject =>
    policy(meta(`looms-${mode}`), {
      podSelector: podsOf(mode),
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ podSelector: podsOf(mode) }] }],
      egress,
    });
  return [
    policy(meta('looms-deny'), { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    among('isolated', [{ to: [{ podSelector: podsOf('isolated') }] }]),
    among('bridge', [{}]),
    ...servers.flatMap((spec) => egressPolicies(spec, meta)),
  ];
}

/**
 * What lets a server out to its list: addresses by a policy of Kubernetes, names by one of Cilium. Another list is another
 * policy, by its name, so that pods with the one before keep theirs until they are gone. Policies add up.
 */
export function egressPolicies(spec: DesiredServer, meta: Meta): readonly KubeObject[] {
  const [addresses, names] = [waysOut(spec), waysByName(spec)];
  const nameOf = (what: string, egress: readonly object[]): string =>
    `${workloadName(spec.name)}-${what}-${sha256(canonicalJson(egress)).slice(0, 8)}`;
  const selector = { matchLabels: { [label.server]: spec.name } };
  return present([
    isNonEmpty(addresses) &&
      policy(meta(nameOf('egress', addresses), spec), {
        podSelector: selector,
        policyTypes: ['Egress'],
        egress: addresses,
      }),
    isNonEmpty(names) && {
      apiVersion: apiVersionOf('CiliumNetworkPolicy'),
      kind: 'CiliumNetworkPolicy',
      metadata: meta(nameOf('names', names), spec),
      spec: { endpointSelector: selector, egress: names },
    },
  ]);
}

const waysOut = ({ network }: DesiredServer): readonly object[] =>
  network.egress.flatMap(({ address, port }) =>
    address === undefined ? [] : [{ to: [{ ipBlock: { cidr: `${address}/32` } }], ports: [{ protocol: 'TCP', port }] }],
  );

/** All names below a domain, as a list has it, are `**.` of Cilium: its `*.` is one label, as all of it is before 1.19. */
const patternOf = (host: string): string => host.replace(/^\*\./, '**.');

const fqdnOf = (host: string): object =>
  host.startsWith('*.') ? { matchPattern: patternOf(host) } : { matchName: host };

/** Where pods ask for names: of no others are they answered there, or questions would be a way out. */
const questions = (hosts: readonly string[]): object => ({
  toEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s:k8s-app': 'kube-dns' } }],
  toPorts: [
    {
      ports: ['UDP', 'TCP'].map((protocol) => ({ port: '53', protocol })),
      rules: { dns: [...new Set(hosts)].map(fqdnOf) },
    },
  ],
});

/**
 * A way out to each name and its port, by the addresses that the cluster's name service gave for it, and to that service. On a
 * port of TLS the name in the handshake has to be the listed one, or all that is behind such an address were reached.
 * https://docs.cilium.io/en/stable/security/policy/language/#dns-based
 */
function waysByName(spec: DesiredServer): readonly object[] {
  const names = ledByName(spec);
  const ways = names.map(({ host, port, tls }) => ({
    toFQDNs: [fqdnOf(host)],
    toPorts: [{ ports: [{ port: String(port), protocol: 'TCP' }], ...(tls ? { serverNames: [patternOf(host)] } : {}) }],
  }));
  return isNonEmpty(ways) ? [questions(names.map(({ host }) => host)), ...ways] : [];
}
