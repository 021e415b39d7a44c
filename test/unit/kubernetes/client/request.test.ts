import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Identity } from '../../../../src/kubernetes/client/access.ts';
import { bounded } from '../../../../src/kubernetes/client/bound.ts';
import { linesOf } from '../../../../src/kubernetes/client/request.ts';
import { isBarred, isForbidden, isPassing } from '../../../../src/kubernetes/model/refusals.ts';
import { refusalOf } from '../../../../src/kubernetes/port.ts';
import { type ApiServer, apiServer, failure, json } from '../../../support/api-server.ts';
import { authority } from '../../../support/certificates.ts';
import { eventually } from '../../../support/eventually.ts';

let server: ApiServer;
beforeAll(async () => {
  server = await apiServer();
});
afterEach(() => {
  server.arrived.splice(0);
});
afterAll(() => server?.close());

const never = new Promise<void>(() => {});
const pods = { method: 'GET', path: '/api/v1/namespaces/a/pods' } as const;

describe('a request', () => {
  it('has who asks, and its body by what it is', async () => {
    server.answer = (_, response) => json(response, 200, { kind: 'Deployment' });
    const path = '/apis/apps/v1/namespaces/a/deployments/b';
    const cluster = server.cluster({ endpoint: `${server.url}/k8s/clusters/c` });
    const query = { fieldManager: 'looms', dryRun: 'All' };
    expect(await cluster.request({ method: 'PATCH', path, query, body: { a: 'ü' } })).toEqual({ kind: 'Deployment' });
    await cluster.request({ method: 'PATCH', path, patch: 'merge', body: {} });
    await cluster.request({ method: 'PATCH', path, patch: 'json', body: [] });
    await cluster.request({ method: 'PUT', path, body: {} });
    const [first] = server.arrived;
    expect(first?.url.pathname + (first?.url.search ?? '')).toBe(
      `/k8s/clusters/c${path}?fieldManager=looms&dryRun=All`,
    );
    expect([first?.body, first?.headers.authorization]).toEqual(['{"a":"ü"}', 'Bearer one']);
    expect(server.arrived.map(({ headers }) => headers['content-type'])).toEqual([
      'application/apply-patch+yaml',
      'application/merge-patch+json',
      'application/json-patch+json',
      'application/json',
    ]);
  });

  it('is null where nothing is answered', async () => {
    server.answer = (_, response) => void response.writeHead(200).end();
    expect(await server.cluster().request(pods)).toBe(null);
  });

  it.each([
    [404, 'NotFound', 'engine-not-found'],
    [409, 'AlreadyExists', 'engine-conflict'],
    [422, 'Invalid', 'engine-rejected'],
    [410, 'Expired', 'engine-rejected'],
    [500, 'InternalError', 'engine-rejected'],
    [503, 'ServiceUnavailable', 'engine-unavailable'],
    [504, 'Timeout', 'engine-unavailable'],
  ])('that is answered %s is an error by that, with what was said', async (status, reason, code) => {
    server.answer = (_, response) => json(response, status, failure(status, reason, 'why not'));
    const error = await server
      .cluster()
      .request(pods)
      .catch((caught) => caught);
    expect(error).toMatchObject({ code, message: 'cannot list pods in a: why not' });
    expect(refusalOf(error)).toEqual({ status, reason });
    expect(isPassing(error)).toBe(status >= 500);
  });

  it.each([
    [502, 'engine-unreachable'],
    [503, 'engine-unreachable'],
    [504, 'engine-timeout'],
  ])('that what stands before the API server answers %s found nobody', async (status, code) => {
    server.answer = (_, response) => void response.writeHead(status).end('<html>no upstream</html>');
    await expect(server.cluster().request(pods)).rejects.toMatchObject({ code });
  });

  it('that is forbidden says which right is lacking', async () => {
    const said = 'b is forbidden: User "ann" cannot delete resource "deployments" in API group "apps"';
    server.answer = (_, response) => json(response, 403, failure(403, 'Forbidden', said));
    const path = '/apis/apps/v1/namespaces/a/deployments/b';
    await expect(server.cluster().request({ method: 'DELETE', path })).rejects.toMatchObject({
      code: 'engine-rejected',
      hint: expect.stringContaining('kubectl auth can-i delete deployments.apps -n a'),
    });
    await expect(server.cluster().request({ method: 'GET', path: '/api/v1/nodes' })).rejects.toMatchObject({
      hint: expect.stringContaining('kubectl auth can-i list nodes --all-namespaces'),
    });
    const error = await server
      .cluster()
      .request({ method: 'DELETE', path })
      .catch((caught) => caught);
    expect(isForbidden(error)).toBe(true);
  });

  it.each([
    'pods "b" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1',
    'deployments.apps "b" is forbidden: unable to create new content in namespace a because it is being terminated',
    "deployments.apps \"b\" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'x' denied request: no tag",
  ])('that is refused by what stands in its way lacks no right: %s', async (said) => {
    server.answer = (_, response) => json(response, 403, failure(403, 'Forbidden', said));
    const path = '/apis/apps/v1/namespaces/a/deployments';
    const refused = server.cluster().request({ method: 'POST', path, body: {} });
    const error = await refused.catch((caught) => caught);
    expect(error).toMatchObject({ code: 'engine-rejected', message: expect.stringContaining(said), hint: undefined });
    expect([isForbidden(error), isBarred(error)]).toEqual([false, true]);
  });

  it('that a page to log in answers is no answer', async () => {
    server.answer = (_, response) => void response.writeHead(200).end('<html>Log in</html>');
    await expect(server.cluster().request(pods)).rejects.toMatchObject({ code: 'engine-rejected' });
  });

  it('is sent once more with another credential where the first is not let in', async () => {
    server.answer = ({ headers }, response) =>
      headers.authorization === 'Bearer new' ? json(response, 200, []) : json(response, 401, failure(401, 'U', 'who'));
    const identity = async (refused?: Identity) => ({
      headers: { Authorization: refused ? 'Bearer new' : 'Bearer old' },
    });
    expect(await server.cluster({ identity }).request(pods)).toEqual([]);
    await expect(server.cluster().request(pods)).rejects.toMatchObject({
      code: 'engine-rejected',
      hint: expect.stringContaining('kubectl auth whoami'),
    });
    expect(server.arrived.length).toBe(4);
  });

  it('waits as long as it is told to where there is no room, and not for ever', async () => {
    let refused = 0;
    server.answer = (_, response) => {
      refused += 1;
      if (refused < 3) json(response, 429, failure(429, 'TooManyRequests', 'later'), { 'retry-after': '0' });
      else json(response, 200, {});
    };
    expect(await server.cluster().request(pods)).toEqual({});
    server.answer = (_, response) => json(response, 429, failure(429, 'T', 'later'), { 'retry-after': '0' });
    await expect(server.cluster().request(pods)).rejects.toMatchObject({ code: 'engine-rejected' });
    expect(server.arrived.length).toBe(3 + 4);
    server.answer = (_, response) => json(response, 429, failure(429, 'T', 'later'), { 'retry-after': '3600' });
    await expect(server.cluster().request(pods)).rejects.toMatchObject({ code: 'engine-rejected' });
  });

  it('can be given up', async () => {
    server.answer = () => {};
    const controller = new AbortController();
    const asked = server.cluster().request(pods, { signal: controller.signal });
    await eventually(() => expect(server.arrived.length).toBe(1));
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: 'interrupted' });
    await expect(server.cluster().request(pods, { signal: controller.signal })).rejects.toMatchObject({
      code: 'interrupted',
    });
  });

  it('ends by itself when nobody answers it', async () => {
    const bound = bounded('wait', {}, { answerMs: 1, identityMs: 1_000 });
    await expect(bound.wait(never)).rejects.toMatchObject({ code: 'engine-timeout' });
    bound.end();
  });

  it('ends as refused where nobody says who asks', async () => {
    const bound = bounded('wait', {}, { answerMs: 1, identityMs: 20 });
    await expect(bound.identify(never)).rejects.toMatchObject({ code: 'engine-rejected' });
    bound.end();
  });

  it('waits for who asks for longer than the API server may take, and then for that', async () => {
    server.answer = (_, response) => json(response, 200, { items: [] });
    const who = Promise.withResolvers<Identity>();
    const cluster = server.cluster({ identity: () => who.promise });
    const at = { namespace: 'a', pod: 'b', container: 'c' };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked = Promise.allSettled([cluster.request(pods), cluster.exec(at, ['true'])]);
    await vi.advanceTimersByTimeAsync(55_000);
    vi.useRealTimers();
    who.resolve({ headers: { Authorization: 'Bearer one' } });
    server.onExec = (socket) => socket.close();
    expect(await asked).toMatchObject([{ status: 'fulfilled', value: { items: [] } }, { status: 'fulfilled' }]);
    server.onExec = undefined;

    const bound = bounded('wait', {}, { answerMs: 20, identityMs: 10_000 });
    await bound.identify(new Promise((resolve) => setTimeout(resolve, 60)));
    await expect(bound.wait(never)).rejects.toMatchObject({ code: 'engine-timeout' });
    bound.end();
  });

  it('shares few connections with others', async () => {
    const sockets = new Set<unknown>();
    server.answer = (_, response) => {
      sockets.add(response.socket);
      setImmediate(() => json(response, 200, {}));
    };
    const cluster = server.cluster();
    await Promise.all(Array.from({ length: 100 }, () => cluster.request(pods)));
    expect(sockets.size).toBeLessThanOrEqual(16);
  });
});

describe('who a server and its clients are', () => {
  it('is known by certificates', async () => {
    server.answer = (_, response) => json(response, 200, {});
    const certificate = server.certificates.client('admin');
    await server.cluster({ identity: async () => ({ headers: {}, certificate }) }).request(pods);
    expect(server.arrived[0]?.client).toBe('admin');
  });

  it('follows a certificate that is replaced', async () => {
    server.answer = (_, response) => json(response, 200, {});
    const certificates = ['before', 'after'].map(server.certificates.client);
    const identity = async () => {
      const [certificate] = certificates.length > 1 ? certificates.splice(0, 1) : certificates;
      return { headers: {}, ...(certificate === undefined ? {} : { certificate }) };
    };
    const cluster = server.cluster({ identity });
    for (const _ of [1, 2, 3]) await cluster.request(pods);
    expect(server.arrived.map(({ client }) => client)).toEqual(['before', 'after', 'after']);
  });

  it('follows an authority that is replaced', async () => {
    server.answer = (_, response) => json(response, 200, {});
    let ca = authority().ca;
    const cluster = server.cluster({ trust: { ca: async () => ca, verify: true } });
    await expect(cluster.request(pods)).rejects.toMatchObject({ code: 'engine-rejected' });
    ca = server.certificates.ca;
    expect(await cluster.request(pods)).toEqual({});
    ca = authority().ca;
    await expect(cluster.request(pods)).rejects.toMatchObject({ code: 'engine-rejected' });
  });

  it('is not taken on trust', async () => {
    await expect(server.cluster({ trust: { verify: true } }).request(pods)).rejects.toMatchObject({
      code: 'engine-rejected',
      message: expect.stringContaining('answers, and a certificate does not hold'),
      hint: expect.stringContaining('certificate-authority'),
    });
    const ca = async () => server.certificates.ca;
    await expect(
      server.cluster({ trust: { ca, verify: true, servername: 'other.test' } }).request(pods),
    ).rejects.toMatchObject({ code: 'engine-rejected' });
    server.answer = (_, response) => json(response, 200, {});
    await server.cluster({ trust: { ca, verify: true, servername: 'cluster.test' } }).request(pods);
    await server.cluster({ trust: { verify: false } }).request(pods);
  });

  it('is said where nothing listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await expect(server.cluster({ endpoint: `https://127.0.0.1:${port}` }).request(pods)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: `cannot list pods in a: https://127.0.0.1:${port} is not reachable: nothing listens there`,
    });
  });
});

describe('a proxy', () => {
  let proxy: Server;
  const asked: (readonly [string | undefined, string | undefined])[] = [];
  const joined: Socket[] = [];
  beforeAll(async () => {
    proxy = createServer().on('connect', ({ url = '', headers }, client) => {
      asked.push([url, headers['proxy-authorization']]);
      if (headers['proxy-authorization'] === undefined) return client.end('HTTP/1.1 407 Who\r\n\r\n');
      const [host = '', port] = url.split(':');
      const target = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(client).pipe(target);
      });
      target.on('error', () => client.destroy());
      client.on('error', () => target.destroy());
      joined.push(target);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  afterAll(() => {
    for (const socket of joined) socket.destroy();
    proxy.closeAllConnections();
    proxy.close();
  });

  it('carries what goes to the cluster', async () => {
    server.answer = (_, response) => json(response, 200, {});
    const at = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const through = server.cluster({ proxy: new URL(`http://me:p%40ss@${at}`) });
    await through.request(pods);
    server.onExec = (socket) => socket.terminate();
    const session = await through.exec({ namespace: 'a', pod: 'b', container: 'c' }, ['true']);
    expect(await session.ended).toEqual({ exitCode: null });
    server.onExec = undefined;
    const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    expect(asked).toEqual(Array.from({ length: 2 }, () => [new URL(server.url).host, basic]));
    await expect(server.cluster({ proxy: new URL(`http://${at}`) }).request(pods)).rejects.toMatchObject({
      code: 'engine-unreachable',
      message: expect.stringContaining(`the proxy ${at} answered HTTP 407`),
    });
  });
});

describe('lines', () => {
  const collect = async (lines: AsyncIterable<string>): Promise<string[]> => {
    const all: string[] = [];
    for await (const line of lines) all.push(line);
    return all;
  };

  it('are cut where they end, however their bytes come', async () => {
    const bytes = Buffer.from('{"a":"ü"}\n\nlast');
    async function* pieces(): AsyncGenerator<Buffer> {
      for (const byte of bytes) yield Buffer.of(byte);
    }
    expect(await collect(linesOf(pieces()))).toEqual(['{"a":"ü"}', '', 'last']);
  });

  it('are told while the answer goes on, until nobody takes them', async () => {
    let isClosed = false;
    server.answer = (_, response) => {
      response.once('close', () => {
        isClosed = true;
      });
      response.write('one\ntw');
      setImmediate(() => response.write('o\n'));
    };
    const told: string[] = [];
    for await (const line of server.cluster().lines({ path: pods.path, query: { watch: '1' } })) {
      told.push(line);
      if (told.length === 2) break;
    }
    expect(told).toEqual(['one', 'two']);
    await eventually(() => expect(isClosed).toBe(true));
  });

  it('end with an error where their connection breaks, or somebody gives them up', async () => {
    server.answer = (_, response) => {
      response.write('one\n');
      setImmediate(() => response.destroy());
    };
    await expect(collect(server.cluster().lines(pods))).rejects.toMatchObject({ code: 'engine-unreachable' });
    server.answer = (_, response) => void response.write('one\n');
    const controller = new AbortController();
    const taking = (async () => {
      for await (const _ of server.cluster().lines(pods, { signal: controller.signal })) controller.abort();
    })();
    await expect(taking).rejects.toMatchObject({ code: 'interrupted' });
    server.answer = (_, response) => json(response, 410, failure(410, 'Expired', 'too old'));
    const error = await collect(server.cluster().lines(pods)).catch((caught) => caught);
    expect(refusalOf(error)).toEqual({ status: 410, reason: 'Expired' });
  });

  it('are not read faster than they are taken', async () => {
    const piece = Buffer.alloc(1024 * 1024, `${'x'.repeat(1023)}\n`);
    let sent = 0;
    server.answer = (_, response) => {
      const more = (): void => {
        if (sent === 64) response.end();
        else {
          sent += 1;
          if (response.write(piece)) more();
          else response.once('drain', more);
        }
      };
      more();
    };
    let count = 0;
    for await (const _ of server.cluster().lines(pods)) {
      count += 1;
      if (count > 1) continue;
      // As much as is on its way comes, and no more.
      let before = -1;
      await eventually(
        () => {
          const isStill = sent === before;
          before = sent;
          expect(isStill).toBe(true);
        },
        10_000,
        300,
      );
      expect(sent).toBeLessThan(32);
    }
    expect([count, sent]).toEqual([64 * 1024, 64]);
  });
});
