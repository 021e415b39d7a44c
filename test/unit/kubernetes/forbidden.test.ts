import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { annotation, label } from '../../../src/kubernetes/model/names.ts';
import { describeCluster } from '../../../src/kubernetes/observe/describe.ts';
import { observe, projectsOf } from '../../../src/kubernetes/observe/observe.ts';
import { asProjectName } from '../../../src/model/ids.ts';
import { type ApiServer, apiServer, failure, json } from '../../support/api-server.ts';
import { server as serverOf } from '../../support/planner-world.ts';

// Who has rights in a project's namespace has none on it, nor on anything of the whole cluster.

let server: ApiServer;
beforeAll(async () => {
  server = await apiServer();
  server.answer = ({ url: { pathname } }, response) => {
    if (pathname === '/version') return json(response, 200, { gitVersion: 'v1.36.1', platform: 'linux/amd64' });
    if (pathname.endsWith('/selfsubjectreviews'))
      return json(response, 201, { metadata: { creationTimestamp: '2026-11-29T10:00:00Z' } });
    const isInside = /\/namespaces\/looms-a\/./.test(pathname);
    return isInside ? json(response, 200, { items: [] }) : json(response, 403, failure(403, 'Forbidden', 'no'));
  };
});
afterAll(() => server?.close());

const records = { read: () => undefined, makerOf: () => ({ kind: 'unsigned' }) as const, hash: () => '' };

it('looks at a project without looking at its namespace', async () => {
  expect(await observe(server.cluster(), asProjectName('a'), records)).toMatchObject({ space: undefined, servers: [] });
});

it('shows servers to whoever may not list Secrets, and asks no node', async () => {
  server.arrived.length = 0;
  await observe(server.cluster(), asProjectName('a'), records, { isShown: true });
  const asked = () => server.arrived.map(({ url }) => url.pathname.split('/').at(-1));
  expect(asked()).toEqual(expect.arrayContaining(['deployments', 'pods', 'networkpolicies']));
  expect(asked()).not.toEqual(expect.arrayContaining(['secrets']));
  expect(asked()).not.toEqual(expect.arrayContaining(['configmaps']));
  await observe(server.cluster(), asProjectName('a'), records);
  expect(asked()).toEqual(expect.arrayContaining(['secrets', 'configmaps']));
  expect(asked()).not.toEqual(expect.arrayContaining(['nodes']));
});

describe('policies of Cilium', () => {
  const led = serverOf('fs', { network: { egress: [{ host: 'api.example.com', port: 443, tls: true }] } }).spec;
  const deployment = {
    metadata: { name: 'looms-fs', labels: { [label.server]: 'fs', [label.project]: 'a' } },
    spec: { template: { spec: { containers: [] } } },
  };
  /** A project on a cluster that says that it has them, or not, with this answer to whoever lists them. */
  async function at(options: { has: boolean; answer: number; servers?: readonly object[] }) {
    const { has, answer, servers = [] } = options;
    const cluster = await apiServer();
    cluster.answer = ({ url: { pathname } }, response) => {
      const word = pathname.split('/').at(-1);
      if (pathname === '/apis/cilium.io/v2') {
        return has
          ? json(response, 200, { resources: [{ name: 'ciliumnetworkpolicies' }] })
          : json(response, 404, failure(404, 'NotFound', 'no'));
      }
      if (word === 'ciliumnetworkpolicies') {
        const items = [{ metadata: { name: 'some' } }];
        return json(response, answer, answer === 200 ? { items } : failure(answer, 'Forbidden', 'no'));
      }
      if (word === 'selfsubjectreviews') return json(response, 201, { metadata: {} });
      return json(response, 200, { metadata: {}, items: word === 'deployments' ? servers : [] });
    };
    const asked = () => cluster.arrived.some(({ url }) => url.pathname.endsWith('/ciliumnetworkpolicies'));
    const read = () => ({ spec: led, image: 'a' });
    try {
      const { engine, support } = await observe(cluster.cluster(), asProjectName('a'), { ...records, read });
      return { engine, support: [...support.keys()], asked: asked() };
    } finally {
      await cluster.close();
    }
  }

  it('are listed where the cluster has them, and not asked for where it has not', async () => {
    expect(await at({ has: true, answer: 200 })).toMatchObject({
      engine: { canLeadByName: true },
      support: ['CiliumNetworkPolicy some'],
    });
    expect(await at({ has: false, answer: 500 })).toMatchObject({ engine: { canLeadByName: false }, asked: false });
    // It lost them in between.
    expect(await at({ has: true, answer: 404 })).toMatchObject({ support: [], asked: true });
  });

  it('need no right of whoever leads no server by name, and are no empty list to others', async () => {
    expect(await at({ has: true, answer: 403 })).toMatchObject({ support: [] });
    const annotations = { [annotation.record]: 'a record', [annotation.specHash]: 'x', [annotation.generation]: '1' };
    const servers = [{ ...deployment, metadata: { ...deployment.metadata, annotations } }];
    await expect(at({ has: true, answer: 403, servers })).rejects.toMatchObject({
      code: 'engine-rejected',
      hint: expect.stringContaining('kubectl auth can-i list ciliumnetworkpolicies.cilium.io -n looms-a'),
    });
  });
});

it('counts all nodes of a cluster, some hundred at a time', async () => {
  const large = await apiServer();
  const node = (cpu: string) => ({ status: { allocatable: { cpu, memory: '1Gi' } } });
  large.answer = ({ url: { pathname, searchParams } }, response) => {
    if (pathname !== '/api/v1/nodes') return json(response, 200, { metadata: {}, platform: 'linux/arm64' });
    expect(searchParams.get('limit')).toBe('500');
    const isNext = searchParams.get('continue') === 'more';
    return isNext
      ? json(response, 200, { items: [node('2')], metadata: {} })
      : json(response, 200, { items: [node('4')], metadata: { continue: 'more' } });
  };
  expect(await describeCluster(large.cluster())).toMatchObject({ nodes: 2, cpus: 6, memoryBytes: 2 ** 31 });
  await large.close();
});

it('begins a list of nodes anew whose place the API server has no more, and not for ever', async () => {
  const large = await apiServer();
  const node = { status: { allocatable: { cpu: '2', memory: '1Gi' } } };
  let expired = 1;
  large.answer = ({ url: { pathname, searchParams } }, response) => {
    if (pathname !== '/api/v1/nodes') return json(response, 200, { metadata: {}, platform: 'linux/arm64' });
    if (!searchParams.has('continue')) {
      return json(response, 200, { items: [node], metadata: { continue: 'more' } });
    }
    expired -= 1;
    return expired < 0
      ? json(response, 200, { items: [node], metadata: {} })
      : json(response, 410, failure(410, 'Expired', 'the provided continue parameter is too old'));
  };
  expect(await describeCluster(large.cluster())).toMatchObject({ nodes: 2, cpus: 4 });
  expired = 2;
  await expect(describeCluster(large.cluster())).rejects.toMatchObject({ code: 'engine-rejected' });
  await large.close();
});

it('tells a cluster by its address where nothing else of it may be seen', async () => {
  expect(await describeCluster(server.cluster())).toMatchObject({ id: server.url, nodes: 0, architecture: 'amd64' });
});

it('takes what fails for another reason for no lack of rights', async () => {
  const broken = await apiServer();
  broken.answer = (_, response) => json(response, 500, failure(500, 'InternalError', 'etcd is away'));
  await expect(describeCluster(broken.cluster())).rejects.toMatchObject({
    message: expect.stringContaining('etcd is away'),
  });
  await broken.close();
});

it('says which right it takes to list projects', async () => {
  await expect(projectsOf(server.cluster())).rejects.toMatchObject({
    code: 'engine-rejected',
    hint: expect.stringContaining('kubectl auth can-i list namespaces --all-namespaces'),
  });
});
