import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { rightOf } from '../../src/kubernetes/client/rights.ts';
import { projectRights } from '../../src/kubernetes/model/rights.ts';
import type { ApiRequest } from '../../src/kubernetes/port.ts';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson, kubectlSays } from '../support/kubectl.ts';
import { type LeastRights, leastRights, linesOf } from '../support/least-rights.ts';
import { emptyFolder, looms } from '../support/looms.ts';
import { withoutNodes } from '../support/nodes.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';

// The kind alone is there: what Cilium does with such a policy is not seen here.

const resource = 'ciliumnetworkpolicies.cilium.io';
const ruleOf = (properties: object) => ({ type: 'array', items: { type: 'object', properties } });
const text = (more: object = {}) => ({ type: 'string', ...more });
/** As the schema of Cilium 1.19 has what is said of a name. */
const fqdn = ruleOf({
  matchName: text({ maxLength: 255, pattern: '^([-a-zA-Z0-9_]+[.]?)+$' }),
  matchPattern: text({ maxLength: 255, pattern: '^(\\*\\*\\.)?([-a-zA-Z0-9_*]+[.]?)+$' }),
});
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const rule = {
  toEndpoints: { type: 'array', items: open },
  toFQDNs: fqdn,
  toPorts: ruleOf({
    ports: ruleOf({ port: text(), protocol: text({ enum: ['TCP', 'UDP', 'SCTP', 'ANY'] }) }),
    rules: { type: 'object', properties: { dns: fqdn } },
    serverNames: { type: 'array', items: text() },
  }),
};
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: resource },
  spec: {
    group: 'cilium.io',
    scope: 'Namespaced',
    names: { kind: 'CiliumNetworkPolicy', plural: 'ciliumnetworkpolicies', singular: 'ciliumnetworkpolicy' },
    versions: [
      {
        name: 'v2',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', properties: { endpointSelector: open, egress: ruleOf(rule) } },
              status: open,
            },
          },
        },
      },
    ],
  },
};

type Policy = {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly egress: readonly { readonly toFQDNs?: readonly object[] }[] };
};

describe.skipIf(withoutNodes('another cluster may have a Cilium of its own'))('hosts by name, on a cluster', () => {
  const project = `names-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const cwd = emptyFolder();
  let user: LeastRights;

  const run = (...args: readonly string[]) =>
    looms([...args, '--project', project, '--context', 'kubernetes:'], { cwd, env: { KUBECONFIG: user.kubeconfig } });
  const doctor = async (): Promise<string> =>
    (await looms(['doctor', '--context', 'kubernetes:'], { cwd, env: { KUBECONFIG: user.kubeconfig } })).stdout;
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stderr], args.join(' ') + stdout).toEqual([0, expect.not.stringMatching(/error|may not/)]);
    return stdout;
  };
  const diff = async () => JSON.parse((await run('diff', '-f', 'mcp.yaml', '--json')).stdout);
  const write = (...documents: readonly string[]): void => writeFileSync(join(cwd, 'mcp.yaml'), specs(...documents));
  const fs = (...egress: readonly unknown[]): string => tinySpec({ name: 'fs', backend: { network: { egress } } });
  const plain = tinySpec({ name: 'plain' });
  const policies = async (): Promise<readonly Policy[]> =>
    (await kubectlJson<{ items: readonly Policy[] }>(['-n', namespace, 'get', resource])).items;
  const asked = (): readonly string[] =>
    user.recorded.flatMap(({ method, url }) => {
      const query = Object.fromEntries(url.searchParams);
      const right = rightOf({ method: method as ApiRequest['method'], path: url.pathname, query });
      return right?.resource === resource ? [`${right.resource}: ${right.verb}`] : [];
    });

  beforeAll(async () => {
    user = await leastRights(project);
  });
  afterAll(async () => {
    await user?.clean();
    await kubectl(['delete', 'customresourcedefinition', resource, '--ignore-not-found']);
  });

  it('are refused with file and line where it knows no policy for them, and nothing else is', async () => {
    write(fs('api.example.com:443'), plain);
    const { changes } = await diff();
    expect(changes).toMatchObject([
      {
        server: 'fs',
        action: 'blocked',
        why: {
          detail: expect.stringMatching(/mcp\.yaml:1: docker_backend\.network\.egress: api\.example\.com is a name/),
          hint: expect.stringMatching(/address: ADDRESS, port: 443 }; names are let out by Cilium/),
        },
      },
      { server: 'plain', action: 'create' },
    ]);
    write(plain);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await doctor()).toContain('network.egress takes addresses only');
    expect(asked()).toEqual([]);
  }, 120_000);

  it('are let out to by a policy that is made before the pods, which ask the cluster for them', async () => {
    await kubectlSays(['apply', '-f', '-'], stringify(definition));
    await kubectlSays(['wait', '--for=condition=Established', 'crd', resource, '--timeout=60s']);
    write(fs('api.example.com:443', '*.example.org:443', { host: 'db', address: '10.1.2.3', port: 5432 }), plain);
    await eventually(async () => expect((await diff()).changes[0].action).toBe('create'));
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await policies()).toMatchObject([
      {
        metadata: { name: expect.stringMatching(/^looms-fs-names-/) },
        spec: {
          endpointSelector: { matchLabels: { 'looms.dev/server': 'fs' } },
          egress: [
            { toPorts: [{ rules: { dns: [{ matchPattern: '**.example.org' }, { matchName: 'api.example.com' }] } }] },
            { toFQDNs: [{ matchPattern: '**.example.org' }], toPorts: [{ serverNames: ['**.example.org'] }] },
            { toFQDNs: [{ matchName: 'api.example.com' }], toPorts: [{ serverNames: ['api.example.com'] }] },
          ],
        },
      },
    ]);
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
    const resolver = await kubectlSays([
      '-n',
      namespace,
      'exec',
      'deployment/looms-fs',
      '--',
      'cat',
      '/etc/resolv.conf',
    ]);
    expect(resolver).toContain('ndots:1');
    expect(resolver).not.toContain('127.0.0.1');
    expect(await doctor()).toContain('network.egress takes names');
    const [{ promises }] = JSON.parse((await run('posture', 'fs', '--json')).stdout);
    expect(promises.find(({ promise }: { promise: string }) => promise === 'egress')).toMatchObject({
      engine: expect.stringMatching(/^by looms-fs-egress-\w+ and looms-fs-names-\w+, no open network$/),
      verdict: 'kept',
    });
  }, 180_000);

  it('are set back where somebody let out to more, who is told with the time', async () => {
    const [policy] = await policies();
    const more = { op: 'add', path: '/spec/egress/-', value: { toFQDNs: [{ matchPattern: '*' }] } };
    await kubectlSays([
      '-n',
      namespace,
      'patch',
      resource,
      policy?.metadata.name ?? '',
      '--type=json',
      '-p',
      JSON.stringify([more]),
    ]);
    const { support } = await diff();
    expect(support).toMatchObject([
      {
        kind: 'network',
        name: policy?.metadata.name,
        action: 'replace',
        reasons: [
          {
            kind: 'live-drift',
            fields: [{ path: 'egress', setBy: { manager: 'kubectl-patch', at: expect.stringMatching(/^\d{4}-/) } }],
          },
        ],
      },
    ]);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    expect(await policies()).toMatchObject([{ spec: policy?.spec }]);
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
  }, 120_000);

  it('have another policy where the list is another, and that of before goes once its pods need not come back', async () => {
    const [before] = await policies();
    write(fs('api.example.com:443'), plain);
    const { steps } = await diff();
    const [made, gone, gate] = ['put-object', 'delete-object', 'gate'].map((op) =>
      steps.findIndex(
        (step: { op: string; id: string }) => step.op === op && (op === 'gate' || /Cilium/.test(step.id)),
      ),
    );
    expect(steps[gone ?? -1]).toMatchObject({ id: expect.stringContaining(before?.metadata.name ?? '-') });
    expect([made, gate].map((at) => Number(at) >= 0 && Number(at) < Number(gone))).toEqual([true, true]);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    const now = await policies();
    expect(now.map(({ metadata }) => metadata.name)).toEqual([expect.stringMatching(/^looms-fs-names-/)]);
    expect(now[0]?.metadata.name).not.toBe(before?.metadata.name);
  }, 120_000);

  it('lose their policy with their server', async () => {
    write(plain);
    await does('apply', '-f', 'mcp.yaml', '--yes', '--prune');
    expect(await policies()).toEqual([]);
  }, 120_000);

  it('take rights that nobody else needs, and are said to lack them', async () => {
    const lines = linesOf(projectRights.filter((one) => one.resource === resource));
    const less = await leastRights(`${project}-less`, { without: lines });
    try {
      const applied = () =>
        looms(['apply', '-f', 'mcp.yaml', '--yes', '--project', `${project}-less`, '--context', 'kubernetes:'], {
          cwd,
          env: { KUBECONFIG: less.kubeconfig },
        });
      write(plain);
      const { code, stderr } = await applied();
      expect([code, stderr]).toEqual([0, expect.not.stringMatching(/error|may not/)]);
      write(fs('api.example.com:443'), plain);
      const refused = await applied();
      expect(refused.code).not.toBe(0);
      expect(refused.stdout + refused.stderr).toContain(`kubectl auth can-i create ${resource} -n ${namespace}-less`);
    } finally {
      await less.clean();
    }
  }, 120_000);

  it('took the rights of the recipe for such policies, all of them and no other', () => {
    const lines = linesOf(projectRights.filter((one) => one.resource === resource));
    expect([...new Set(asked())].sort()).toEqual(lines);
  });
});
