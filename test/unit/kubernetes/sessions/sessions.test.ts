import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { scripts, scriptsFolder } from '../../../../src/kubernetes/objects/scripts.ts';
import { type Cluster, podId } from '../../../../src/kubernetes/port.ts';
import { countScript } from '../../../../src/kubernetes/sessions/count.ts';
import { kubernetesSessions } from '../../../../src/kubernetes/sessions/sessions.ts';
import { LoomsError } from '../../../../src/model/errors.ts';
import { asContainerId, asServerName, carrierName, keeperName } from '../../../../src/model/ids.ts';
import type { ExecSession, LogQuery } from '../../../../src/orchestrator/session-host.ts';
import { emptyFolder } from '../../../support/looms.ts';

const id = podId({ uid: 'u1', namespace: 'looms-a', name: 'looms-fs-1' });

const startedAt = '2026-11-29T10:00:00Z';
const running = { running: { startedAt } };
const podOf = (status: object, more: object = {}) => ({
  metadata: { uid: 'u1', name: 'looms-fs-1', ...more },
  spec: { containers: [{ name: 'server', securityContext: { runAsUser: 1000, runAsGroup: 1000 } }] },
  status: { containerStatuses: [{ name: 'server', restartCount: 0, ...status }] },
});

const gone = () => new LoomsError('engine-not-found', 'gone');
const refused = (status: number) =>
  new LoomsError('engine-rejected', 'no', {
    cause: Object.assign(new Error('no'), { refusal: { status, reason: '' } }),
  });

function local(argv: readonly string[]): ExecSession {
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { env: { PATH: process.env.PATH ?? '' } });
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    ended: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode }))),
    destroy: () => void child.kill('SIGKILL'),
  };
}

/** A cluster of one pod, whose processes run on this machine. */
function clusterOf(
  pod: () => Promise<unknown>,
  answers: {
    readonly exec?: (argv: readonly string[], container: string) => Promise<ExecSession>;
    readonly logs?: Readonly<Record<string, readonly string[] | Error>>;
  } = {},
) {
  const execs: (readonly string[])[] = [];
  const asked: string[] = [];
  const cluster: Cluster = {
    context: 'test',
    endpoint: 'https://cluster.test',
    request: pod,
    async *lines({ path, query }) {
      const words = new URLSearchParams(query).toString();
      asked.push(`${path}?${words}`);
      const lines = answers.logs?.[query?.previous === 'true' ? 'previous' : 'present'] ?? [];
      if (lines instanceof Error) throw lines;
      yield* query?.tailLines === undefined ? lines : lines.slice(-Number(query.tailLines));
    },
    async exec({ namespace, pod, container }, argv) {
      execs.push([namespace, pod, container, ...argv]);
      return answers.exec === undefined ? local(argv) : answers.exec(argv, container);
    },
    close: async () => {},
  };
  return { sessions: kubernetesSessions(cluster), execs, asked };
}

describe('a process in a pod', () => {
  it('is one of the container of the server, with what else it is given kept out of its words', async () => {
    const { sessions, execs } = clusterOf(async () => podOf({ state: running }));
    const request = { argv: ['sh', '-c', 'echo "$TOKEN"; pwd; cat'], env: { TOKEN: 'hun\nter2' }, workingDir: '/usr' };
    const session = await sessions.exec(id, request);
    session.stdin.end('input');
    expect(await text(session.stdout)).toBe('hun\nter2\n/usr\ninput');
    expect(await session.ended).toEqual({ exitCode: 0 });
    expect(execs[0]?.slice(0, 3)).toEqual(['looms-a', 'looms-fs-1', 'server']);
    expect(JSON.stringify(execs)).not.toContain('ter2');
  });

  it('is run as it stands where it is given nothing else', async () => {
    const { sessions, execs } = clusterOf(async () => podOf({ state: running }));
    const session = await sessions.exec(id, { argv: ['true'], env: {}, user: '1000:1000' });
    expect(await session.ended).toEqual({ exitCode: 0 });
    expect(execs).toEqual([['looms-a', 'looms-fs-1', 'server', 'true']]);
  });

  it.each<[string, object | undefined, string]>([
    ['has ended', { state: { terminated: { exitCode: 0 } } }, 'server-not-running'],
    ['is gone', undefined, 'engine-not-found'],
    ['runs', { state: running }, 'engine-rejected'],
  ])('that a node refuses is of one that does not run where that %s by then', async (_, later, code) => {
    let looks = 0;
    const pod = async () => {
      looks += 1;
      if (looks === 1) return podOf({ state: running });
      if (later === undefined) throw gone();
      return podOf(later);
    };
    const { sessions } = clusterOf(pod, { exec: () => Promise.reject(refused(500)) });
    await expect(sessions.exec(id, { argv: ['true'] })).rejects.toMatchObject({ code });
  });

  it('that a node refuses is of one that does not run where its pod is being ended', async () => {
    const ending = async () => podOf({ state: running }, { deletionTimestamp: startedAt });
    const { sessions } = clusterOf(ending, { exec: () => Promise.reject(refused(500)) });
    await expect(sessions.exec(id, { argv: ['true'] })).rejects.toMatchObject({ code: 'server-not-running' });
  });

  it.each<[string, () => Promise<unknown>, string]>([
    ['one that is gone', () => Promise.reject(gone()), 'engine-not-found'],
    ['another one of its name', async () => podOf({ state: running }, { uid: 'u2' }), 'engine-not-found'],
    ['one that does not run', async () => podOf({ state: { waiting: {} } }), 'server-not-running'],
    ['one without a status', async () => ({ ...podOf({}), status: {} }), 'server-not-running'],
    ['a cluster that says something else', async () => 'pod', 'engine-not-found'],
    ['a cluster that does not let us look', () => Promise.reject(refused(403)), 'engine-rejected'],
  ])('is not begun in %s, and gets nothing of what is secret', async (_, pod, code) => {
    const outputs: Promise<string>[] = [];
    const { sessions } = clusterOf(pod, {
      async exec(argv) {
        const session = local(argv);
        outputs.push(text(session.stdout));
        return session;
      },
    });
    await expect(sessions.exec(id, { argv: ['env'], env: { TOKEN: 'hunter2' } })).rejects.toMatchObject({ code });
    expect(await Promise.all(outputs)).toEqual(['']);
  });

  it('says what the cluster says of the pod, rather than what it says of the exec', async () => {
    const { sessions } = clusterOf(() => Promise.reject(gone()), { exec: () => Promise.reject(refused(400)) });
    await expect(sessions.exec(id, { argv: ['true'] })).rejects.toMatchObject({ code: 'engine-not-found' });
  });

  it('has the user of its container, and no other', async () => {
    const { sessions } = clusterOf(async () => podOf({ state: running }));
    await expect(sessions.exec(id, { argv: ['true'], user: '0' })).rejects.toMatchObject({
      code: 'engine-unsupported',
      message: expect.stringContaining('1000:1000'),
    });
  });

  it('is in no pod by an id of another engine', async () => {
    const { sessions } = clusterOf(async () => podOf({ state: running }));
    const other = asContainerId('4f1d0c2b9a77');
    await expect(sessions.exec(other, { argv: ['true'] })).rejects.toMatchObject({ code: 'engine-not-found' });
    await expect(sessions.containerRunning(other)).rejects.toMatchObject({ code: 'engine-not-found' });
  });
});

describe('how a pod runs', () => {
  const ended = { startedAt, exitCode: 3 };
  it.each<[string, object, object]>([
    ['runs', { state: running }, { running: true, run: `${startedAt}#0`, exitCode: 0 }],
    [
      'was started again',
      { state: running, restartCount: 2, lastState: { terminated: { startedAt: 'before', exitCode: 1 } } },
      { running: true, run: `${startedAt}#2`, exitCode: 0 },
    ],
    ['has ended', { state: { terminated: ended } }, { running: false, run: '', exitCode: 3 }],
    [
      'waits to be started again',
      { state: { waiting: { reason: 'CrashLoopBackOff' } }, restartCount: 1, lastState: { terminated: ended } },
      { running: false, run: '', exitCode: 3 },
    ],
    ['never ran', { state: { waiting: {} } }, { running: false, run: '', exitCode: 0 }],
  ])('is told of one that %s', async (_, status, expected) => {
    const { sessions } = clusterOf(async () => podOf(status));
    expect(await sessions.containerRunning(id)).toEqual({ ...expected, engineHealth: null });
  });

  it('goes on while it is being deleted, and is nothing once it is gone', async () => {
    const deleting = clusterOf(async () => podOf({ state: running }, { deletionTimestamp: startedAt }));
    expect(await deleting.sessions.containerRunning(id)).toMatchObject({ running: true });
    expect(await clusterOf(() => Promise.reject(gone())).sessions.containerRunning(id)).toBe(null);
    const other = clusterOf(async () => podOf({ state: running }, { uid: 'u2' }));
    expect(await other.sessions.containerRunning(id)).toBe(null);
  });
});

describe('the log of a pod', () => {
  const at = (seconds: number): string => `2026-11-29T10:00:0${seconds}`;
  const present = [`${at(1)}.100000001Z one`, `${at(1)}.200999999Z two\r`, `${at(2)}.3Z `, `${at(4)}+00:00 four`];
  const query: LogQuery = { streams: ['stdout', 'stderr'], follow: false };
  const read = async (
    wanted: Partial<LogQuery>,
    status: object = { state: running },
    logs: Readonly<Record<string, readonly string[] | Error>> = { present },
  ) => {
    const { sessions, asked } = clusterOf(async () => podOf(status), { logs });
    const lines: string[] = [];
    for await (const line of sessions.readLog(id, { ...query, ...wanted })) {
      lines.push(`${new Date(line.time).toISOString().slice(17, -1)} ${line.stream} ${line.text}`);
    }
    return { lines, asked };
  };

  it('is lines with their times, all of one stream', async () => {
    const { lines, asked } = await read({ follow: true, tail: 10 });
    expect(lines).toEqual(['01.100 stderr one', '01.200 stderr two', '02.300 stderr ', '04.000 stderr four']);
    expect(asked).toEqual([
      '/api/v1/namespaces/looms-a/pods/looms-fs-1/log?container=server&timestamps=true&follow=true&tailLines=10',
    ]);
    expect((await read({ streams: ['stdout'] })).lines).toEqual([]);
  });

  it('is cut at moments to the millisecond', async () => {
    const since = { at: Date.parse(`${at(1)}.200Z`) };
    const { lines, asked } = await read({ since, until: { at: Date.parse(`${at(2)}.300Z`) } });
    expect(lines).toEqual(['01.200 stderr two', '02.300 stderr ']);
    expect(asked[0]).toContain('sinceTime=2026-11-29T10%3A00%3A01.000Z');
    expect((await read({ since: { agoMs: 1_500 } })).asked[0]).toContain('sinceSeconds=2');
    expect((await read({ since: { agoMs: 0 } })).asked[0]).toContain('sinceSeconds=1');
  });

  it('has the time of the line before for a piece of one', async () => {
    const { lines } = await read({}, undefined, { present: [`${at(1)}Z long`, 'er', 'and longer'] });
    expect(lines).toEqual(['01.000 stderr long', '01.000 stderr er', '01.000 stderr and longer']);
  });

  it('begins with the run before, as far as that is asked for and kept', async () => {
    const previous = [`${at(0)}Z before`, `${at(0)}Z crash`];
    const again = { state: running, restartCount: 1 };
    const all = await read({}, again, { present, previous });
    expect(all.lines.slice(0, 3)).toEqual(['00.000 stderr before', '00.000 stderr crash', '01.100 stderr one']);
    expect((await read({ tail: 5 }, again, { present, previous })).lines).toEqual(all.lines.slice(1));
    expect((await read({ tail: 4 }, again, { present, previous })).lines).toEqual(all.lines.slice(2));
    expect((await read({}, again, { present, previous: refused(400) })).lines).toEqual(all.lines.slice(2));
    await expect(read({}, again, { present, previous: refused(403) })).rejects.toMatchObject({
      code: 'engine-rejected',
    });
    const waiting = { ...again, state: { waiting: {} }, lastState: { terminated: { startedAt } } };
    expect((await read({}, waiting, { present: previous, previous })).lines.length).toBe(2);
  });

  it('is empty for one that never ran, and an error for one that is gone', async () => {
    expect((await read({ follow: true }, { state: { waiting: {} } }, { present: refused(400) })).lines).toEqual([]);
    const { sessions } = clusterOf(() => Promise.reject(gone()));
    await expect(sessions.tailLog(id, 3)).rejects.toMatchObject({ code: 'engine-not-found' });
    const last = clusterOf(async () => podOf({ state: running }), { logs: { present } });
    expect((await last.sessions.tailLog(id, 2)).map((line) => line.text)).toEqual(['', 'four']);
  });
});

describe('the sessions of a pod', () => {
  /** A folder of processes, and how to put one into it. */
  function processes() {
    const proc = emptyFolder();
    const process = (pid: number, stat: string, ...words: readonly string[]): void => {
      mkdirSync(join(proc, String(pid)));
      writeFileSync(join(proc, String(pid), 'stat'), `${pid} ${stat} 1 1 0 -1\n`);
      writeFileSync(join(proc, String(pid), 'cmdline'), words.map((word) => `${word}\0`).join(''));
    };
    process(1, '(sh) S 0', '/bin/sh', `${scriptsFolder}/idle.sh`);
    process(12, '(node) S 10', 'node', 'worker.js');
    process(13, `(${keeperName}) S 0`, 'sh', '-c', 'keeper');
    process(14, '(sh) S 0', '/bin/sh', `${scriptsFolder}/drain.sh`, '60');
    process(15, '(perl) S 0', 'perl', `${scriptsFolder}/gate-http.pl`, '30');
    process(16, '(gone) Z 0');
    process(19, '(sh) S 0', 'sh', '-c', countScript);
    return { proc, process };
  }

  it('are its processes from outside, but for what the cluster runs and what keeps them', async () => {
    const { proc, process } = processes();
    process(10, '(node) S 0', 'node', 'server.js');
    process(11, '(a) b (c) S 0', 'odd');
    process(17, '(sh) S 0', 'sh', '-c', 'first line\nsecond');
    process(18, '(perl) S 0', `${carrierName} 3`);
    const script = countScript.replaceAll('/proc', proc);
    for (const shell of [['sh'], ['bash', '--norc']]) {
      const session = local([...shell, '-c', script]);
      expect([shell, await text(session.stdout), await text(session.stderr)]).toEqual([shell, '6\n', '']);
    }
  });

  it('are what a pod is drained of: it waits for none of the others', async () => {
    const { proc, process } = processes();
    const drain = async (): Promise<number> => {
      const began = performance.now();
      const session = local(['sh', '-c', scripts['drain.sh'].replaceAll('/proc', proc), 'sh', '1']);
      expect([await text(session.stderr), await session.ended]).toEqual(['', { exitCode: 0 }]);
      return performance.now() - began;
    };
    expect(await drain()).toBeLessThan(900);
    process(10, '(node) S 0', 'node', 'server.js');
    expect(await drain()).toBeGreaterThanOrEqual(1000);
  });

  const http = (): object => {
    const { spec, status, metadata } = podOf({ state: running });
    const reach = { name: 'reach', state: running };
    return {
      metadata,
      spec: { containers: [...spec.containers, { name: 'reach' }] },
      status: { containerStatuses: [...status.containerStatuses, reach] },
    };
  };
  const saying = (words: string) => async () => local(['sh', '-c', words]);

  it('are counted where they are: beside a server over HTTP', async () => {
    const stdio = clusterOf(async () => podOf({ state: running }), { exec: saying('echo 4') });
    expect(await stdio.sessions.countSessions(id)).toBe(4);
    const web = clusterOf(async () => http(), { exec: saying('echo 2') });
    expect(await web.sessions.countSessions(id)).toBe(2);
    expect([stdio, web].map(({ execs }) => execs[0]?.[2])).toEqual(['server', 'reach']);
  });

  it('are none where nothing runs, and not known where the container does not say', async () => {
    expect(await clusterOf(() => Promise.reject(gone())).sessions.countSessions(id)).toBe(0);
    expect(await clusterOf(async () => podOf({ state: {} })).sessions.countSessions(id)).toBe(0);
    for (const words of ['echo many', 'echo 1; exit 1', 'echo no shell >&2; exit 126']) {
      const { sessions } = clusterOf(async () => podOf({ state: running }), { exec: saying(words) });
      await expect(sessions.countSessions(id)).rejects.toMatchObject({ code: 'session-failed' });
    }
  });

  it.each([
    ['goes on for ever', 'exec yes'],
    ['says nothing', 'exec sleep 60'],
  ])(
    'are not known, and nobody waits, where a container %s',
    async (_, words) => {
      const begun: ExecSession[] = [];
      const { sessions } = clusterOf(async () => podOf({ state: running }), {
        async exec() {
          begun.push(local(['sh', '-c', words]));
          return begun[0] as ExecSession;
        },
      });
      await expect(sessions.countSessions(id)).rejects.toMatchObject({ code: 'session-failed' });
      expect(await begun[0]?.ended).not.toEqual({ exitCode: 0 });
    },
    15_000,
  );

  it('reach a server over HTTP through the container beside it', async () => {
    const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { sessions, execs } = clusterOf(async () => http());
    const held = new AbortController();
    const request = {
      server: asServerName('web'),
      reach: { way: id, host: '127.0.0.1' },
      deadline: performance.now() + 20_000,
      signal: new AbortController().signal,
      held: held.signal,
    };
    const stream = await sessions.dial(id, (server.address() as AddressInfo).port, request);
    stream.end('GET / HTTP/1.0\r\n\r\n');
    expect(await text(stream)).toContain('hello');
    expect(execs.map(([, , container, program]) => [container, program])).toEqual([['reach', 'perl']]);
    held.abort();
    server.close();
  });
});
