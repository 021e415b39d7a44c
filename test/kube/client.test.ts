import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer, text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { ClusterAccess } from '../../src/kubernetes/client/access.ts';
import { connectCluster } from '../../src/kubernetes/client/cluster.ts';
import { findCluster } from '../../src/kubernetes/client/find-cluster.ts';
import { type Cluster, podId, refusalOf } from '../../src/kubernetes/port.ts';
import { kubernetesSessions } from '../../src/kubernetes/sessions/sessions.ts';
import { asServerName, type ContainerId } from '../../src/model/ids.ts';
import type { ExecRequest, ExecSession, LogLine, SessionHost } from '../../src/orchestrator/session-host.ts';
import { eventually } from '../support/eventually.ts';
import { kubectlProgram } from '../support/kubectl.ts';
import { onNodes } from '../support/node-images.ts';

type Made = { readonly metadata: { readonly uid: string; readonly name: string; readonly resourceVersion: string } };
type Pod = Made & { readonly status: { readonly conditions?: readonly { type: string; status: string }[] } };

const mebibyte = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Says a line a second on stderr, and ends when it is told to. */
const talkative = `trap 'exit 3' TERM
count=0
while :; do
  count=$((count + 1))
  echo "line $count" >&2
  sleep 1 & wait $!
done`;

const webProgram = `require('node:http').createServer((request, response) => {
  request.pipe(response);
}).listen(3000, '127.0.0.1');`;

// KUBECONFIG may be a person's own: only with a cluster that was made for tests (npm run test:kube).
describe.skipIf(kubectlProgram === '')('a cluster as looms talks to it', () => {
  const namespace = `client-${randomBytes(3).toString('hex')}`;
  const at = (pod: string, container = 'server') => ({ namespace, pod, container });
  const inNamespace = (kind: string, name = ''): string =>
    `/api/v1/namespaces/${namespace}/${kind}${name === '' ? '' : `/${name}`}`;
  let access: ClusterAccess;
  let cluster: Cluster;
  let sessions: SessionHost;
  const ids = new Map<string, ContainerId>();
  const idOf = (name: string): ContainerId => {
    const id = ids.get(name);
    if (id === undefined) throw new Error(`there is no pod ${name}`);
    return id;
  };

  const container = (name: string, image: string, command: readonly string[]) => ({
    name,
    image,
    command,
    imagePullPolicy: 'IfNotPresent',
    securityContext: { runAsUser: 65534, runAsGroup: 65534 },
  });
  const idle = ['sh', '-c', talkative];
  const makePod = async (name: string, containers: readonly object[]): Promise<void> => {
    const spec = { containers, terminationGracePeriodSeconds: 1, automountServiceAccountToken: false };
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
    const made = (await cluster.request({ method: 'POST', path: inNamespace('pods'), body })) as Made;
    ids.set(name, podId({ uid: made.metadata.uid, namespace, name }));
    await eventually(async () => {
      const { status } = (await cluster.request({ method: 'GET', path: inNamespace('pods', name) })) as Pod;
      expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
    }, 90_000);
  };
  const run = async (request: ExecRequest, input?: string, pod = 'box') => {
    const session = await sessions.exec(idOf(pod), request);
    session.stdin.end(input);
    const [stdout, stderr, { exitCode }] = await Promise.all([
      text(session.stdout),
      text(session.stderr),
      session.ended,
    ]);
    return { stdout, stderr, exitCode };
  };
  const sh = (script: string, pod?: string) => run({ argv: ['sh', '-c', script] }, undefined, pod);

  beforeAll(async () => {
    const found = await findCluster({ environment: process.env, homeDirectory: '/nowhere' });
    if (found === null) throw new Error('KUBECONFIG names no cluster');
    access = found;
    cluster = connectCluster(access);
    sessions = kubernetesSessions(cluster);
    const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await cluster.request({ method: 'POST', path: '/api/v1/namespaces', body });
    await eventually(() => cluster.request({ method: 'GET', path: inNamespace('serviceaccounts', 'default') }));
    await Promise.all([
      makePod('box', [container('server', onNodes('node:24-slim'), idle)]),
      makePod('web', [
        container('server', onNodes('node:24-slim'), ['node', '-e', webProgram]),
        container('reach', onNodes('debian:bookworm-slim'), idle),
      ]),
    ]);
  }, 180_000);
  afterAll(async () => {
    await cluster?.request({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` });
    await cluster?.close();
  });

  describe('requests', () => {
    const configMap = (name: string, data: object) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data,
    });

    it('make, apply and change objects, and say what was refused', async () => {
      const path = inNamespace('configmaps');
      const body = configMap('one', { a: '1' });
      await cluster.request({ method: 'POST', path, body });
      const again = await cluster.request({ method: 'POST', path, body }).catch((error) => error);
      expect(again).toMatchObject({ code: 'engine-conflict', message: expect.stringContaining('already exists') });
      expect(refusalOf(again)).toEqual({ status: 409, reason: 'AlreadyExists' });
      const query = { fieldManager: 'test', force: 'true' };
      const applied = configMap('one', { b: '2' });
      await cluster.request({ method: 'PATCH', path: `${path}/one`, query, body: applied });
      await cluster.request({ method: 'PATCH', path: `${path}/one`, patch: 'merge', body: { data: { c: '3' } } });
      const operations = [{ op: 'remove', path: '/data/a' }];
      await cluster.request({ method: 'PATCH', path: `${path}/one`, patch: 'json', body: operations });
      expect(await cluster.request({ method: 'GET', path: `${path}/one` })).toMatchObject({ data: { b: '2', c: '3' } });
      await expect(cluster.request({ method: 'GET', path: `${path}/two` })).rejects.toMatchObject({
        code: 'engine-not-found',
        message: `cannot get configmaps two in ${namespace}: configmaps "two" not found`,
      });
    });

    it('say which right is lacking', async () => {
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'nobody' } };
      await cluster.request({ method: 'POST', path: inNamespace('serviceaccounts'), body: account });
      const token = (await cluster.request({
        method: 'POST',
        path: inNamespace('serviceaccounts', 'nobody/token'),
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } },
      })) as { readonly status: { readonly token: string } };
      const headers = { Authorization: `Bearer ${token.status.token}` };
      const nobody = connectCluster({ ...access, identity: async () => ({ headers }) });
      await expect(nobody.request({ method: 'GET', path: inNamespace('pods') })).rejects.toMatchObject({
        code: 'engine-rejected',
        hint: expect.stringContaining(`kubectl auth can-i list pods -n ${namespace}`),
      });
      await expect(nobody.exec(at('box'), ['true'])).rejects.toMatchObject({
        code: 'engine-rejected',
        hint: expect.stringContaining(`kubectl auth can-i create pods/exec -n ${namespace}`),
      });
      const stranger = connectCluster({
        ...access,
        identity: async () => ({ headers: { Authorization: 'Bearer x' } }),
      });
      await expect(stranger.request({ method: 'GET', path: inNamespace('pods') })).rejects.toMatchObject({
        code: 'engine-rejected',
        hint: expect.stringContaining('kubectl auth whoami'),
      });
      await Promise.all([nobody.close(), stranger.close()]);
    });

    it('tell what changes, line by line', async () => {
      const path = inNamespace('configmaps');
      const list = (await cluster.request({ method: 'GET', path })) as Made;
      const query = { watch: '1', resourceVersion: list.metadata.resourceVersion };
      const lines = cluster.lines({ path, query })[Symbol.asyncIterator]();
      const first = lines.next();
      await cluster.request({ method: 'POST', path, body: configMap('watched', { a: 'ü\n' }) });
      expect(JSON.parse((await first).value)).toMatchObject({ type: 'ADDED', object: { data: { a: 'ü\n' } } });
      await lines.return?.();
    });
  });

  describe('a process', () => {
    it('has its streams apart, an exit code and an end of its input', async () => {
      expect(await sh('echo out; echo err >&2; exit 7')).toEqual({ stdout: 'out\n', stderr: 'err\n', exitCode: 7 });
      expect(await run({ argv: ['wc', '-c'] }, '12345')).toMatchObject({ stdout: '5\n', exitCode: 0 });
      expect(await sh('kill -9 $$')).toMatchObject({ exitCode: 137 });
    });

    it('is kept alive by pings, which the API server answers', async () => {
      const { certificate, headers } = await access.identity();
      const query = new URLSearchParams({ container: 'server', stdin: 'true', stdout: 'true', command: 'cat' });
      const url = `${access.endpoint.replace('http', 'ws')}${inNamespace('pods', 'box')}/exec?${query}`;
      const ca = await access.trust.ca?.();
      const options = {
        ...(ca === undefined ? {} : { ca }),
        ...certificate,
        headers: headers as Record<string, string>,
      };
      const socket = new WebSocket(url, ['v5.channel.k8s.io'], options);
      await once(socket, 'open');
      socket.ping('1');
      expect(String((await once(socket, 'pong'))[0])).toBe('1');
      socket.terminate();
    });

    it('that cannot be begun says why, and its exit code is that of shells', async () => {
      const { exitCode, stderr } = await run({ argv: ['looms-no-such-program'] });
      expect([exitCode, stderr]).toEqual([126, expect.stringContaining('looms-no-such-program')]);
      expect((await run({ argv: ['looms-no-such-program'], env: { A: '1' } })).exitCode).toBe(127);
    });

    it('is in no pod that is not there, nor in a later one of its name', async () => {
      const other = podId({ uid: 'other', namespace, name: 'box' });
      const none = podId({ uid: 'other', namespace, name: 'none' });
      for (const id of [other, none]) {
        await expect(sessions.exec(id, { argv: ['true'] })).rejects.toMatchObject({ code: 'engine-not-found' });
        expect(await sessions.containerRunning(id)).toBe(null);
      }
      await expect(cluster.exec(at('none'), ['true'])).rejects.toMatchObject({ code: 'engine-not-found' });
      await expect(cluster.exec(at('box', 'none'), ['true'])).rejects.toMatchObject({ code: 'engine-rejected' });
    });

    it('is given variables and a folder that stand in no argv, whatever they hold', async () => {
      const secret = `hunter2 ${randomBytes(8).toString('hex')}`;
      const env = { TOKEN: `${secret}\n'"\\$(id)\`id\`\n`, EMPTY: '', ODD: '=+@.\n.\n', UNI: 'ä\u0081😀' };
      const script = 'for name in TOKEN EMPTY ODD UNI; do printenv "$name" | od -An -tx1 -v; done; pwd; cat';
      const argv = ['sh', '-c', script];
      const { stdout, exitCode } = await run({ argv, env, workingDir: '/usr/share' }, 'the rest');
      const said = Object.values(env)
        .map((value) => Buffer.from(`${value}\n`).toString('hex'))
        .join('');
      expect([stdout.replaceAll(/\s/g, ''), exitCode]).toEqual([`${said}/usr/sharetherest`, 0]);
      const session = await sessions.exec(idOf('box'), { argv: ['cat'], env });
      session.stdin.write('ready');
      await once(session.stdout, 'data');
      const all = 'for file in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$file"; echo; done 2>/dev/null';
      const words = (await sh(all)).stdout;
      expect(words).toContain('cat');
      expect(words).not.toContain(secret);
      expect((await sh('cat /proc/[0-9]*/environ | tr "\\0" "\\n"')).stdout).toContain(secret);
      session.destroy();
    });

    it('keeps its input where it sends its error output elsewhere, as a session does', async () => {
      const argv = ['sh', '-c', 'exec 2>/dev/null; echo up; cat'];
      const session = await sessions.exec(idOf('box'), { argv, env: { A: '1' } });
      await once(session.stdout, 'data');
      session.stdin.end('input');
      expect(await text(session.stdout)).toBe('input');
      session.stderr.resume();
      expect(await session.ended).toEqual({ exitCode: 0 });
    });

    it('takes and gives 50 MiB, of which little is held at a time', async () => {
      const session = await sessions.exec(idOf('box'), { argv: ['cat'] });
      session.stderr.resume();
      const block = Buffer.alloc(mebibyte, 'abcdefgh');
      const held = async (): Promise<number> => {
        // What the first look finds to be garbage is given back beside the program.
        for (const _ of [1, 2]) {
          collectGarbage();
          await nextTurn();
        }
        return process.memoryUsage().arrayBuffers;
      };
      const before = await held();
      let most = 0;
      let looked = 0;
      const writing = (async () => {
        for (let sent = 0; sent < 50; sent += 1) {
          if (!session.stdin.write(block)) await once(session.stdin, 'drain');
        }
        session.stdin.end();
      })();
      let length = 0;
      for await (const chunk of session.stdout) {
        length += (chunk as Buffer).length;
        if (length < looked + 2 * mebibyte) continue;
        looked = length;
        most = Math.max(most, (await held()) - before);
      }
      await writing;
      expect([length, await session.ended]).toEqual([50 * mebibyte, { exitCode: 0 }]);
      expect(most).toBeLessThan(20 * mebibyte);
    });

    it('waits for a slow reader', async () => {
      const script = 'head -c 100000000 /dev/zero; echo done >/tmp/flooded';
      const session = await sessions.exec(idOf('box'), { argv: ['sh', '-c', script] });
      session.stderr.resume();
      await once(session.stdout, 'readable');
      // Nobody reads on, while the same work is done once with nobody in its way.
      await sh('head -c 100000000 /dev/zero | cat >/dev/null');
      expect(session.stdout.readableLength).toBeLessThan(mebibyte);
      expect((await sh('cat /tmp/flooded')).exitCode).not.toBe(0);
      expect((await buffer(session.stdout)).length).toBe(100_000_000);
      expect(await session.ended).toEqual({ exitCode: 0 });
    });

    it('that nobody holds any more reads the end of its input', async () => {
      const session = await sessions.exec(idOf('box'), {
        argv: ['sh', '-c', 'echo up; cat >/dev/null; echo >/tmp/over'],
      });
      await once(session.stdout, 'data');
      session.destroy();
      expect(await session.ended).toEqual({ exitCode: null });
      await eventually(async () => expect((await sh('cat /tmp/over')).exitCode).toBe(0));
    });

    it('counts as a session while it runs', async () => {
      expect(await sessions.countSessions(idOf('box'))).toBe(0);
      const held: ExecSession[] = [];
      for (const env of [{}, { A: '1' }]) held.push(await sessions.exec(idOf('box'), { argv: ['cat'], env }));
      await eventually(async () => expect(await sessions.countSessions(idOf('box'))).toBe(2));
      for (const session of held) session.stdin.end();
      await eventually(async () => expect(await sessions.countSessions(idOf('box'))).toBe(0));
    });
  });

  it('reaches a server that listens on its own pod alone, over one process beside it', async () => {
    const held = new AbortController();
    const request = {
      server: asServerName('web'),
      reach: { way: idOf('web'), host: '127.0.0.1' },
      deadline: performance.now() + 60_000,
      signal: new AbortController().signal,
      held: held.signal,
    };
    const body = 'x'.repeat(3 * mebibyte);
    const answers = await Promise.all(
      [1, 2, 3].map(async () => {
        const stream = await sessions.dial(idOf('web'), 3000, request);
        stream.write(
          `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        );
        return (await text(stream)).split('\r\n\r\n')[1]?.replaceAll(/\r\n|^[0-9a-f]+$/gm, '').length;
      }),
    );
    expect(answers.map((length) => (length ?? 0) >= body.length)).toEqual([true, true, true]);
    expect(await sessions.countSessions(idOf('web'))).toBe(1);
    await expect(
      sessions.dial(idOf('web'), 3999, { ...request, deadline: performance.now() + 100 }),
    ).rejects.toMatchObject({ code: 'session-failed' });
    held.abort();
    await eventually(async () => expect(await sessions.countSessions(idOf('web'))).toBe(0));
  });

  it('tells a log as it is written, until its pod is killed', async () => {
    await makePod('doomed', [container('server', 'node:24-slim', idle)]);
    const id = idOf('doomed');
    const session = await sessions.exec(id, { argv: ['cat'] });
    const lines: LogLine[] = [];
    const reading = (async () => {
      const query = { streams: ['stdout', 'stderr'], follow: true } as const;
      for await (const line of sessions.readLog(id, query)) lines.push(line);
    })();
    await eventually(() => expect(lines.length).toBeGreaterThan(2));
    expect(lines.slice(0, 3).map(({ text, stream }) => [text, stream])).toEqual(
      [1, 2, 3].map((number) => [`line ${number}`, 'stderr']),
    );
    const [, second] = lines;
    if (second === undefined) throw new Error('there is no second line');
    const since: string[] = [];
    const query = {
      streams: ['stderr'],
      since: { at: second.time },
      until: { at: second.time },
      follow: false,
    } as const;
    for await (const line of sessions.readLog(id, query)) since.push(line.text);
    expect(since).toEqual(['line 2']);
    expect((await sessions.tailLog(id, 1)).length).toBe(1);
    expect(await sessions.containerRunning(id)).toMatchObject({ running: true, exitCode: 0 });
    const path = inNamespace('pods', 'doomed');
    await cluster.request({ method: 'DELETE', path, query: { gracePeriodSeconds: '1' } });
    await reading;
    expect((await session.ended).exitCode).not.toBe(0);
    await eventually(async () => expect(await sessions.containerRunning(id)).toBe(null));
    await expect(sessions.tailLog(id, 1)).rejects.toMatchObject({ code: 'engine-not-found' });
  });

  it('tells one run of a container from the next, and keeps what the one before said', async () => {
    await makePod('again', [container('server', 'node:24-slim', idle)]);
    const before = await sessions.containerRunning(idOf('again'));
    const first = await eventually(async () => {
      const [line] = await sessions.tailLog(idOf('again'), 1);
      expect(line).toBeDefined();
      return line;
    });
    await sh('kill -TERM 1', 'again');
    const after = await eventually(async () => {
      const now = await sessions.containerRunning(idOf('again'));
      expect(now).toMatchObject({ running: true });
      expect(now?.run).not.toBe(before?.run);
      return now;
    });
    expect(after?.run).toMatch(/#1$/);
    const all = await eventually(async () => {
      const lines = (await sessions.tailLog(idOf('again'), 1_000)).map((line) => line.text);
      expect(lines.filter((line) => line === 'line 1').length).toBe(2);
      return lines;
    });
    expect(all).toContain(first?.text);
  });
});
