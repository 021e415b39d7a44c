import { describe, expect, it } from 'vitest';
import { isLabelValue, isOpenKey } from '../../../src/kubernetes/model/names.ts';
import { egressPolicies } from '../../../src/kubernetes/objects/network-policies.ts';
import { kubernetesExporter } from '../../../src/kubernetes/objects/objects.ts';
import { bytesQuantity, coresQuantity } from '../../../src/kubernetes/objects/quantities.ts';
import type { DeclaredServer, EgressTarget } from '../../../src/model/desired.ts';
import type { ExportSettings } from '../../../src/orchestrator/export.ts';
import { httpServer, project, type SpecChange, server } from '../../support/planner-world.ts';

type Written = { readonly kind: string; readonly metadata: { readonly name: string } } & Readonly<
  Record<string, unknown>
>;

const settings: ExportSettings = {
  project,
  registry: 'registry.example/team',
  relayImage: 'debian:bookworm-slim',
  managedBy: 'looms/1.0.0',
  recordOf: ({ spec }) => `record of ${spec.name}`,
};
const written = (...servers: readonly DeclaredServer[]) => kubernetesExporter.write(servers, settings);
const objects = (...servers: readonly DeclaredServer[]): readonly Written[] =>
  written(...servers).documents as readonly Written[];
const only = (kind: string, ...servers: readonly DeclaredServer[]): Written => {
  const [found, another] = objects(...servers).filter((one) => one.kind === kind);
  if (found === undefined || another !== undefined) throw new Error(`not one ${kind}`);
  return found;
};

describe('the objects of a project', () => {
  it('come in an order in which they can be applied, the same for the same servers', () => {
    const [a, b] = [server('a'), httpServer('b')];
    expect(objects(b, a).map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Namespace looms-test',
      'ConfigMap looms-scripts',
      'NetworkPolicy looms-deny',
      'NetworkPolicy looms-isolated',
      'NetworkPolicy looms-bridge',
      'Deployment looms-a',
      'Deployment looms-b',
      'Service looms-b',
    ]);
    expect(JSON.stringify(written(b, a))).toBe(JSON.stringify(written(a, b)));
  });

  it('let in no pod that could do more, where no server needs more', () => {
    const labels = (one: DeclaredServer) =>
      Object.keys((only('Namespace', one).metadata as never as { labels: object }).labels);
    expect(labels(server('a'))).toContain('pod-security.kubernetes.io/enforce');
    expect(labels(server('a', { security: { user: '0:0' } }))).not.toContain('pod-security.kubernetes.io/enforce');
  });
});

describe('the Service of a server over HTTP', () => {
  const affinityOf = (change: SpecChange) =>
    (only('Service', httpServer('b', change)).spec as { sessionAffinity?: string }).sessionAffinity;

  it('leads a client to one and the same pod where there may be several', () => {
    const scale = { min: 0, max: 3, sessionsPerReplica: 8, idleSeconds: 300 };
    expect([{}, { scale: { ...scale, max: 1 } }, { replicas: 2 }, { scale }].map(affinityOf)).toEqual([
      undefined,
      undefined,
      'ClientIP',
      'ClientIP',
    ]);
  });
});

describe('the list of a server', () => {
  const meta = (name: string) => ({ name });
  const policies = (...egress: readonly EgressTarget[]) =>
    egressPolicies(server('a', { network: { egress } }).spec, meta);
  const api = { host: 'api.example.com', port: 443, tls: true };
  const db = { host: 'db.example.com', port: 5432, tls: false };
  const known = { host: 'old', port: 5432, tls: false, address: '10.0.0.1' };

  it('is a policy for its addresses, and one of Cilium for its names: these alone are answered', () => {
    const [byAddress, byName] = policies(api, { ...api, host: '*.example.org' }, db, { ...db, port: 5433 }, known);
    expect(byAddress).toMatchObject({ kind: 'NetworkPolicy', spec: { egress: [{ ports: [{ port: 5432 }] }] } });
    expect(byName).toEqual({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: expect.stringMatching(/^looms-a-names-[0-9a-f]{8}$/) },
      spec: {
        endpointSelector: { matchLabels: { 'looms.dev/server': 'a' } },
        egress: [
          {
            toEndpoints: [
              { matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s:k8s-app': 'kube-dns' } },
            ],
            toPorts: [
              {
                ports: [
                  { port: '53', protocol: 'UDP' },
                  { port: '53', protocol: 'TCP' },
                ],
                rules: {
                  dns: [
                    { matchName: 'api.example.com' },
                    { matchPattern: '**.example.org' },
                    { matchName: 'db.example.com' },
                  ],
                },
              },
            ],
          },
          {
            toFQDNs: [{ matchName: 'api.example.com' }],
            toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }], serverNames: ['api.example.com'] }],
          },
          {
            toFQDNs: [{ matchPattern: '**.example.org' }],
            toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }], serverNames: ['**.example.org'] }],
          },
          {
            toFQDNs: [{ matchName: 'db.example.com' }],
            toPorts: [{ ports: [{ port: '5432', protocol: 'TCP' }] }],
          },
          {
            toFQDNs: [{ matchName: 'db.example.com' }],
            toPorts: [{ ports: [{ port: '5433', protocol: 'TCP' }] }],
          },
        ],
      },
    });
  });

  it('has another name where it is another one, each part of it by itself', () => {
    const names = (...egress: readonly EgressTarget[]) => policies(...egress).map(({ metadata }) => metadata.name);
    const [byAddress, byName] = names(api, known);
    // As pods that were made before the policies of names have it.
    expect(byAddress).toBe('looms-a-egress-887c2655');
    expect(names(api)).toEqual([byName]);
    expect(names(known)).toEqual([byAddress]);
    expect(names(api, db, known)).toEqual([byAddress, expect.not.stringMatching(byName ?? '')]);
  });

  it('is none of names where all may be reached', () => {
    expect(egressPolicies(server('a', { network: { mode: 'bridge', egress: [api] } }).spec, meta)).toEqual([]);
  });
});

describe('the pod of a server', () => {
  it('has what its spec says, and its secrets by reference', () => {
    const env = {
      LEVEL: { kind: 'literal', value: '$(HOME) $$ $x' },
      TOKEN: { kind: 'secret', parts: [{ from: 'provider', name: 'token' }] },
    } as const;
    const one = server('a', {
      mcp: { command: 'node', args: ['server.js'], env },
      limits: { cpuCores: 0.5, memoryMiB: 1024, storageMiB: 100 },
      network: { egress: [{ host: 'db', port: 5432, tls: false, address: '10.0.0.1' }] },
    });
    expect(only('Deployment', one)).toMatchObject({
      metadata: { annotations: { 'looms.dev/record': 'record of a', 'looms.dev/spec-hash': one.hash } },
      spec: {
        replicas: 1,
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          spec: {
            automountServiceAccountToken: false,
            hostAliases: [{ ip: '10.0.0.1', hostnames: ['db'] }],
            containers: [
              {
                image: 'example:1',
                startupProbe: {
                  exec: { command: ['/bin/sh', '/opt/looms/gate.sh', '30', 'legacy', 'node', 'server.js'] },
                  timeoutSeconds: 35,
                },
                env: [
                  { name: 'HOME', value: '/tmp' },
                  { name: 'LEVEL', value: '$$(HOME) $$$ $x' },
                  { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'looms-a-env', key: 'TOKEN' } } },
                ],
                resources: {
                  limits: { cpu: '500m', memory: '1Gi', 'ephemeral-storage': '100Mi' },
                  requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '1Mi' },
                },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  capabilities: { drop: ['ALL'] },
                  readOnlyRootFilesystem: true,
                  runAsNonRoot: true,
                  runAsUser: 1000,
                  runAsGroup: 1000,
                },
              },
            ],
          },
        },
      },
    });
    expect(written(one).secrets).toEqual([
      { name: 'looms-a-env', keys: [{ name: 'TOKEN', value: '${secret:token}' }] },
    ]);
  });

  it('asks the cluster for names where it lists some, as they stand, and nobody where it lists none', () => {
    const egress = [{ host: 'api.example.com', port: 443, tls: true }];
    const dnsOf = (network: NonNullable<SpecChange['network']>) => {
      const made = only('Deployment', server('a', { network }));
      const { dnsPolicy, dnsConfig } = (made.spec as { template: { spec: Record<string, unknown> } }).template.spec;
      return { dnsPolicy, dnsConfig };
    };
    expect(dnsOf({ egress })).toEqual({ dnsConfig: { options: [{ name: 'ndots', value: '1' }] } });
    expect(dnsOf({ mode: 'bridge', egress })).toEqual({});
    expect(dnsOf({ egress: [{ host: 'db', port: 5432, tls: false, address: '10.0.0.1' }] })).toMatchObject({
      dnsPolicy: 'None',
    });
  });

  it('is not there while it is disabled, and is gone before the next one where it writes to a volume', () => {
    expect(only('Deployment', server('a', { enabled: false }))).toMatchObject({ spec: { replicas: 0 } });
  });

  it('leave to its gateway how many pods of a server there are that is scaled', () => {
    const counted = { sessionsPerReplica: 8, idleSeconds: 300 };
    for (const bounds of [
      { min: 0, max: 1 },
      { min: 0, max: 5 },
      { min: 2, max: 5 },
    ]) {
      const { spec } = only('Deployment', server('a', { scale: { ...bounds, ...counted } }));
      expect(spec).not.toHaveProperty('replicas');
    }
    expect(only('Deployment', server('a', { replicas: 3 }))).toMatchObject({ spec: { replicas: 3 } });
    const mounts = [{ type: 'volume', source: 'data', target: '/data', readOnly: false }] as const;
    expect(only('Deployment', server('a', { mounts }))).toMatchObject({
      spec: { strategy: { type: 'Recreate' }, template: { spec: { securityContext: { fsGroup: 1000 } } } },
    });
    expect(only('PersistentVolumeClaim', server('a', { mounts }), server('b', { mounts }))).toMatchObject({
      metadata: { name: 'looms-data' },
    });
  });

  it('has a container beside a server over HTTP that gates it', () => {
    const { spec } = only('Deployment', httpServer('web'));
    expect(spec).toMatchObject({
      template: {
        spec: {
          containers: [
            { name: 'server', ports: [{ containerPort: 3000 }] },
            {
              name: 'reach',
              image: 'debian:bookworm-slim',
              startupProbe: {
                exec: {
                  command: ['perl', '/opt/looms/gate-http.pl', '30', 'legacy', 'streamable-http', '3000', '/mcp'],
                },
              },
            },
          ],
        },
      },
    });
  });

  it('has an image that is built here under its name in the registry', () => {
    const built = server('a', { image: { kind: 'dockerfile', path: 'Dockerfile' } });
    expect(written(built).images).toEqual([
      { here: 'looms/dockerfile:0', there: 'registry.example/team/dockerfile:0' },
    ]);
    expect(JSON.stringify(only('Deployment', built))).toContain('"registry.example/team/dockerfile:0"');
  });

  it('has labels of the user’s, and annotations where labels could not hold them', () => {
    expect(only('Deployment', server('a', { labels: { team: 'a', note: 'two words' } }))).toMatchObject({
      metadata: { labels: { team: 'a', 'looms.dev/server': 'a' }, annotations: { note: 'two words' } },
    });
  });
});

it.each([
  [1024, '1Ki'],
  [512 * 1024 ** 2, '512Mi'],
  [1024 ** 3, '1Gi'],
  [1536 * 1024 ** 2, '1536Mi'],
  [1000, '1000'],
])('%i bytes are %s, as the API server writes them', (bytes, text) => {
  expect(bytesQuantity(bytes)).toBe(text);
});

it.each([
  [1, '1'],
  [0.5, '500m'],
  [1.25, '1250m'],
  [0.0001, '1m'],
  [0.07, '70m'],
])('%d cores are %s', (cores, text) => {
  expect(coresQuantity(cores)).toBe(text);
});

it('keys and values of labels are those that Kubernetes takes', () => {
  expect(['a', 'a.b_c-d', '', 'x'.repeat(63)].every(isLabelValue)).toBe(true);
  expect(['a b', '-a', 'a-', 'x'.repeat(64), 'ä'].some(isLabelValue)).toBe(false);
  expect(['team', 'example.com/team', 'A_b'].every(isOpenKey)).toBe(true);
  expect(['', '/a', 'a/', 'kubernetes.io/a', 'x.k8s.io/a', 'looms.dev/server', 'A.b/c', 'a/b/c'].some(isOpenKey)).toBe(
    false,
  );
});
