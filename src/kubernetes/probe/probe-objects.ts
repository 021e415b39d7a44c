import { label } from '../model/names.ts';
import type { KubeObject } from '../model/objects.ts';
import { networkPolicies } from '../objects/network-policies.ts';

/** The label of the namespaces of probes: which one it is. */
export const probeLabel = 'looms.dev/probe';

export const probeNamespace = (id: string): string => `looms-probe-${id}`;

/** The port on which the pod that is reached listens. */
export const listeningPort = 8080;

/** The container of each pod. */
export const probeContainer = 'probe';

/** How long a pod of a probe may run, whoever made it and whether that is still there, seconds. */
const longestSeconds = 300;

const listen = `use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => ${listeningPort}, Listen => 16) or die $@;
while (1) { my $peer = $listener->accept or next; close $peer }`;

/**
 * Says how a connection to an address and a port ends within two seconds: `open`; `refused`, where nothing listens and
 * something answered; `silent`.
 */
export const connectScript = `use IO::Socket::INET; use Errno qw(ECONNREFUSED);
my $peer = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1], Proto => 'tcp', Timeout => 2);
print $peer ? 'open' : $! == ECONNREFUSED ? 'refused' : 'silent'`;

export type ProbeName = 'listener' | 'caller';

const programs: Readonly<Record<ProbeName, string>> = { listener: listen, caller: `sleep ${longestSeconds}` };

const pod = (
  namespace: string,
  name: ProbeName,
  image: string,
  labels: Readonly<Record<string, string>>,
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels },
  spec: {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    restartPolicy: 'Never',
    activeDeadlineSeconds: longestSeconds,
    terminationGracePeriodSeconds: 0,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    // On two nodes where there are two: some network plugins look at nothing that stays on one.
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchExpressions: [{ key: probeLabel, operator: 'Exists' }] },
            },
          },
        ],
      },
    },
    containers: [
      {
        name: probeContainer,
        image,
        imagePullPolicy: 'IfNotPresent',
        command: ['perl', '-e', programs[name]],
        resources: { limits: { cpu: '200m', memory: '64Mi' }, requests: { cpu: '10m', memory: '16Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 65534,
          runAsGroup: 65534,
        },
      },
    ],
  },
});

/** What a probe makes; all of it is in a namespace of its own, and goes with that. */
export function probeObjects(id: string, image: string) {
  const labels = { [label.managedBy]: 'looms', [probeLabel]: id };
  const namespace = probeNamespace(id);
  const space: KubeObject = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { ...labels, 'pod-security.kubernetes.io/enforce': 'restricted' } },
  };
  // What keeps every pod of a project in, where nothing further is said: the first of them.
  const [deny] = networkPolicies([], (name) => ({ name, namespace, labels }));
  return {
    space,
    listener: pod(namespace, 'listener', image, labels),
    caller: pod(namespace, 'caller', image, labels),
    deny: deny as KubeObject,
  };
}
