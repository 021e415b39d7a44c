import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { emptyFolder, looms, startLooms } from '../support/looms.ts';
import { specs, tinyHttpSpec, tinySpec } from '../support/tiny-server.ts';

type Pod = {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};
type Shown = { readonly name: string; readonly state: string; readonly replicas: { ready: number; asked: number } };

/** Longest wait for pods to come or go: a node makes one at a time, and each has its gate. */
const longMs = 90_000;

describe.skipIf(kubectlProgram === '')('servers with several pods', () => {
  const project = `scale-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const cwd = emptyFolder();
  const env = { KUBECONFIG: process.env.KUBECONFIG ?? '', XDG_STATE_HOME: emptyFolder() };
  const flags = ['--project', project, '--context', 'kubernetes:'];
  const run = (...args: readonly string[]) => looms([...args, ...flags], { cwd, env });
  const does = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    expect([code, stderr], args.join(' ')).toEqual([0, expect.not.stringContaining('error')]);
    return stdout;
  };
  const write = (...documents: readonly string[]): void => writeFileSync(join(cwd, 'mcp.yaml'), specs(...documents));
  const apply = (...documents: readonly string[]): Promise<string> => {
    write(...documents);
    return does('apply', '-f', 'mcp.yaml', '--yes', '--prune');
  };
  const pods = async (server: string): Promise<readonly Pod[]> => {
    const of = ['-n', namespace, 'get', 'pods', '-l', `looms.dev/server=${server}`];
    const { items } = await kubectlJson<{ items: readonly Pod[] }>(of);
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  const names = async (server: string): Promise<readonly string[]> =>
    (await pods(server)).map(({ metadata }) => metadata.name).sort();
  const isReady = ({ status }: Pod): boolean =>
    (status.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True');
  const isScaledTo = (server: string, count: number): Promise<readonly string[]> =>
    eventually(async () => {
      const all = await pods(server);
      expect([all.length, all.filter(isReady).length], gateway.stderr()).toEqual([count, count]);
      return names(server);
    }, longMs);
  const shown = async (server: string): Promise<Shown | undefined> =>
    (JSON.parse(await does('get', '-o', 'json')) as readonly Shown[]).find(({ name }) => name === server);
  const isAsleep = (server: string): Promise<void> =>
    eventually(async () => {
      expect(await shown(server), gateway.stderr()).toMatchObject({
        state: 'asleep',
        replicas: { ready: 0, asked: 0 },
      });
      expect(await pods(server)).toEqual([]);
    }, longMs);
  const byHand = (server: string, replicas: number) =>
    kubectlSays(['-n', namespace, 'scale', `deployment/looms-${server}`, `--replicas=${replicas}`]);
  /** Sessions in each pod, whoever has them. */
  const sessionsIn = async (server: string): Promise<Readonly<Record<string, number>>> => {
    const stats: readonly { containerName: string; sessions: number }[] = JSON.parse(
      await does('stats', server, '--json'),
    );
    return Object.fromEntries(stats.map(({ containerName, sessions }) => [containerName, sessions]));
  };

  let gateway: ReturnType<typeof startLooms>;
  let url = '';
  let authorization = '';
  const clients = new Set<Client>();
  const connect = async (server: string): Promise<Client> => {
    const client = new Client({ name: 'test', version: '1' });
    const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp/${server}`), {
      requestInit: { headers: { authorization } },
    });
    await client.connect(transport as never, { timeout: longMs });
    clients.add(client);
    return client;
  };
  const leave = async (client: Client): Promise<void> => {
    clients.delete(client);
    await (client.transport as StreamableHTTPClientTransport).terminateSession();
    await client.close();
  };
  const echo = async (client: Client, text: string): Promise<unknown> =>
    ((await client.callTool({ name: 'echo', arguments: { text } })).content as { text?: string }[])[0]?.text;
  /** Calls one after the other until it is told to end; how many were answered, and what the others failed with. */
  const callOn = (client: Client) => {
    const failed: string[] = [];
    let answered = 0;
    let isOver = false;
    const calls = async (): Promise<void> => {
      while (!isOver) {
        const said = await echo(client, 'still').catch(String);
        if (said === 'still') answered += 1;
        else failed.push(String(said));
      }
    };
    const ended = calls();
    return {
      end: async () => {
        isOver = true;
        await ended;
        return { answered, failed };
      },
    };
  };

  const fixed = (replicas: number, memoryMiB = 128) => tinySpec({ name: 'fixed', memoryMiB, mcp: { replicas } });
  const scaled = (scale: object, more: Partial<Parameters<typeof tinySpec>[0]> = {}) =>
    tinySpec({ name: 'scaled', memoryMiB: 256, mcp: { scale }, ...more });
  const sleepy = { min: 0, max: 3, sessions_per_replica: 1, idle_seconds: 2 };

  beforeAll(async () => {
    await apply(fixed(3));
    gateway = startLooms(['serve', '--json', '--listen', '127.0.0.1:0', ...flags], { cwd, env });
    const served = await eventually(() => JSON.parse(gateway.stdout()) as { url: string; tokenFile: string });
    url = served.url;
    authorization = `Bearer ${readFileSync(served.tokenFile, 'utf8').trim()}`;
  }, 240_000);
  afterAll(async () => {
    for (const client of clients) await client.close().catch(() => {});
    gateway?.child.kill('SIGTERM');
    await gateway?.finished;
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  it('are there once all pods have passed their gate, and have their sessions spread over these', async () => {
    expect(await shown('fixed')).toMatchObject({ state: 'running', replicas: { ready: 3, asked: 3 } });
    expect(await does('get')).toContain('running 3/3');
    const all = [await connect('fixed'), await connect('fixed'), await connect('fixed')];
    for (const client of all) expect(await echo(client, 'hello')).toBe('hello');
    await eventually(async () => expect(Object.values(await sessionsIn('fixed'))).toEqual([1, 1, 1]));
    for (const client of all) await leave(client);
  }, 120_000);

  it('are reached in each of them over HTTP as well', async () => {
    await apply(fixed(3), tinyHttpSpec({ name: 'web', mcp: { replicas: 2 } }));
    const both = [await connect('web'), await connect('web')];
    for (const client of both) expect((await client.listTools()).tools).toEqual([]);
    await eventually(async () => expect(Object.values(await sessionsIn('web'))).toEqual([1, 1]));
    for (const client of both) await leave(client);
  }, 120_000);

  it('keep their sessions spread while their pods are replaced one by one', async () => {
    const all = [await connect('fixed'), await connect('fixed'), await connect('fixed')];
    await eventually(async () => expect(Object.values(await sessionsIn('fixed'))).toEqual([1, 1, 1]));
    await apply(fixed(3, 160));
    await isScaledTo('fixed', 3);
    for (const client of all) expect(await echo(client, 'hello')).toBe('hello');
    await eventually(async () => expect(Object.values(await sessionsIn('fixed'))).toEqual([1, 1, 1]), 20_000);
    for (const client of all) await leave(client);
    await apply(fixed(3));
  }, 300_000);

  it('are scaled by another number in their file, with the same pods', async () => {
    const before = await names('fixed');
    write(fixed(2));
    expect((await run('diff', '-f', 'mcp.yaml')).stdout).toMatch(/~ +fixed +scale: the spec changed/);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    const fewer = await isScaledTo('fixed', 2);
    expect(before).toEqual(expect.arrayContaining([...fewer]));
    await apply(fixed(3));
    expect(await isScaledTo('fixed', 3)).toEqual(expect.arrayContaining([...fewer]));
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
  }, 240_000);

  it('have a number that somebody set by hand set back', async () => {
    await byHand('fixed', 1);
    expect((await run('diff', '-f', 'mcp.yaml')).stdout).toMatch(/replicas +3 → 1/);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    await isScaledTo('fixed', 3);
  }, 240_000);

  it('sleep without sessions, and nothing that only looks at them wakes them', async () => {
    await apply(scaled(sleepy));
    await isAsleep('scaled');
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
    expect(await does('get')).toMatch(/scaled +asleep/);
    expect(await does('mcp', 'health', 'scaled')).toMatch(/scaled +asleep/);
    for (const words of [['describe', 'scaled'], ['stats'], ['history', 'scaled'], ['mcp', 'list'], ['posture']]) {
      await does(...words);
    }
    expect(await pods('scaled')).toEqual([]);
    // Another bound is written beside what is not there, and makes no pod.
    await apply(scaled({ ...sleepy, max: 4 }));
    expect(await shown('scaled')).toMatchObject({ state: 'asleep' });
    await apply(scaled(sleepy));
    await isAsleep('scaled');
  }, 240_000);

  it('are woken by a session, of a command and of a client alike', async () => {
    const before = performance.now();
    const { code, stdout, stderr } = await run('mcp', 'call', 'scaled', 'echo', '{"text":"awake"}');
    const byCommand = Math.round(performance.now() - before);
    expect([code, stdout, stderr]).toEqual([
      0,
      expect.stringContaining('awake'),
      expect.stringContaining('scaled is asleep: it is woken for this'),
    ]);
    await isAsleep('scaled');
    const again = performance.now();
    const client = await connect('scaled');
    expect(await echo(client, 'here')).toBe('here');
    const byClient = Math.round(performance.now() - again);
    await leave(client);
    console.log(
      `from no pod to the first answer: ${byCommand} ms by a command, ${byClient} ms by a client of a gateway`,
    );
    await isAsleep('scaled');
  }, 300_000);

  it('are left to a command that has just woken them, though a gateway sees no session yet', async () => {
    await apply(scaled({ ...sleepy, idle_seconds: 1 }));
    for (let times = 0; times < 4; times += 1) {
      await isAsleep('scaled');
      expect(await does('mcp', 'call', 'scaled', 'echo', '{"text":"awake"}', '--direct')).toContain('awake');
    }
    await apply(scaled(sleepy));
    await isAsleep('scaled');
  }, 300_000);

  it('have more pods as their sessions need, and fewer when these are over, of which none is cut', async () => {
    // One that nobody uses needs no pod: each calls all the time.
    const begin = async () => {
      const client = await connect('scaled');
      return { client, calls: callOn(client) };
    };
    const first = await begin();
    const [a = ''] = await isScaledTo('scaled', 1);
    const second = await begin();
    const both = await isScaledTo('scaled', 2);
    const b = both.find((name) => name !== a) ?? '';
    // The second one was opened before there was another pod: the next one goes where nobody is.
    const third = await begin();
    await isScaledTo('scaled', 3);
    await eventually(async () => expect(await sessionsIn('scaled')).toMatchObject({ [a]: 2, [b]: 1 }));
    const ended = [await first.calls.end(), await second.calls.end()];
    await leave(first.client);
    await leave(second.client);
    expect(await isScaledTo('scaled', 1)).toEqual([b]);
    for (const { answered, failed } of [...ended, await third.calls.end()]) {
      expect([failed, answered > 0]).toEqual([[], true]);
    }
    await leave(third.client);
    await isAsleep('scaled');
  }, 300_000);

  it('go on with a session whose process ended since nobody used it', async () => {
    const client = await connect('scaled');
    expect(await echo(client, 'before')).toBe('before');
    await isAsleep('scaled');
    expect(await echo(client, 'after')).toBe('after');
    await leave(client);
  }, 240_000);

  it('keep their sessions where two gateways look after them, of which one knows of none', async () => {
    const elsewhere = { ...env, XDG_STATE_HOME: emptyFolder() };
    const other = startLooms(['serve', '--json', ...flags], { cwd, env: elsewhere });
    try {
      await eventually(() => JSON.parse(other.stdout()));
      const client = await connect('scaled');
      const calls = callOn(client);
      const [own = ''] = await isScaledTo('scaled', 1);
      await byHand('scaled', 3);
      await isScaledTo('scaled', 3);
      expect(await isScaledTo('scaled', 1)).toEqual([own]);
      expect((await calls.end()).failed).toEqual([]);
      await leave(client);
      await isAsleep('scaled');
    } finally {
      other.child.kill('SIGTERM');
      await other.finished;
    }
  }, 300_000);

  it('stay stopped, whoever comes, until they are started', async () => {
    await isAsleep('scaled');
    await does('mcp', 'stop', 'scaled');
    expect(await shown('scaled')).toMatchObject({ state: 'stopped' });
    const { code, stderr } = await run('mcp', 'call', 'scaled', 'echo', '{"text":"no"}');
    expect([code, stderr]).toEqual([69, expect.stringContaining('server scaled is stopped')]);
    await does('mcp', 'start', 'scaled');
    expect(await does('mcp', 'call', 'scaled', 'echo', '{"text":"yes"}')).toContain('yes');
  }, 240_000);

  it('keep the number that their sessions gave them where they are replaced; beyond their bounds it is drift', async () => {
    const patient = { ...sleepy, min: 1, idle_seconds: 3600 };
    await apply(scaled(patient));
    await byHand('scaled', 2);
    await isScaledTo('scaled', 2);
    expect(await does('diff', '-f', 'mcp.yaml')).toContain('In sync');
    await apply(scaled(patient, { memoryMiB: 320 }));
    expect(await shown('scaled')).toMatchObject({ generation: 2, replicas: { ready: 2, asked: 2 } });
    await does('rollback', 'scaled', '--yes');
    expect(await shown('scaled')).toMatchObject({ generation: 3, replicas: { ready: 2, asked: 2 } });
    await byHand('scaled', 5);
    expect((await run('diff', '-f', 'mcp.yaml', '--server', 'scaled')).stdout).toMatch(/replicas +3 → 5/);
    await does('apply', '-f', 'mcp.yaml', '--yes');
    await isScaledTo('scaled', 3);
  }, 300_000);

  it('have each session counted over HTTP as well, where one process carries all of a gateway', async () => {
    await apply(
      tinyHttpSpec({ name: 'web', mcp: { scale: { ...sleepy, sessions_per_replica: 8, idle_seconds: 3600 } } }),
    );
    const all = [await connect('web'), await connect('web'), await connect('web')];
    await eventually(async () => expect(Object.values(await sessionsIn('web'))).toEqual([3]), longMs);
    for (const client of all.slice(1)) await leave(client);
    await eventually(async () => expect(Object.values(await sessionsIn('web'))).toEqual([1]), longMs);
    for (const client of all.slice(0, 1)) await leave(client);
  }, 240_000);
});
