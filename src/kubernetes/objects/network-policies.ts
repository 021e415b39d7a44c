import type { DesiredServer } from '../../model/desired.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
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
 * Those of `bridge` reach all, and one another; isolated ones one another; and each what it lists by address.
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
    ...servers.filter(({ network }) => network.egress.length > 0).map((spec) => listed(spec, meta)),
  ];
}

/**
 * What a list is called on the cluster: another list is another policy, so that pods with the one before keep theirs until
 * they are gone. Policies add up.
 */
export const egressPolicyName = (spec: DesiredServer): string =>
  `${workloadName(spec.name)}-egress-${sha256(canonicalJson(waysOut(spec))).slice(0, 8)}`;

const waysOut = ({ network }: DesiredServer): readonly object[] =>
  network.egress.flatMap(({ address, port }) =>
    address === undefined ? [] : [{ to: [{ ipBlock: { cidr: `${address}/32` } }], ports: [{ protocol: 'TCP', port }] }],
  );

/** A way out to the addresses that a server lists. Names are refused before (`fits.ts`). */
function listed(spec: DesiredServer, meta: Meta): KubeObject {
  return policy(meta(egressPolicyName(spec), spec), {
    podSelector: { matchLabels: { [label.server]: spec.name } },
    policyTypes: ['Egress'],
    egress: waysOut(spec),
  });
}
