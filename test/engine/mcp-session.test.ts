import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ContainerShape, ImageFacts } from '../../src/docker/model/shape.ts';
import type { Engine } from '../../src/docker/port.ts';
import { openSession } from '../../src/mcp/client/connect.ts';
import { runGate } from '../../src/mcp/client/gate.ts';
import type { Session, SessionTarget } from '../../src/mcp/client/session.ts';
import type { DesiredServer, McpSpec } from '../../src/model/desired.ts';
import { asServerName, type ContainerId, carrierName, type NetworkId } from '../../src/model/ids.ts';
import { type EngineBench, engineBench } from '../support/docker-engine.ts';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';

const servers = new URL('../fixtures/servers/', import.meta.url);
const connectModule = new URL('../../src/mcp/client/connect.ts', import.meta.url).href;
const benchModule = new URL('../support/docker-engine.ts', import.meta.url).href;
const call = { timeoutMs: 10_000 };
const http = { port: 8000, path: '/mcp' };

/** What this process holds: open files, and its heap after a collection in MiB. */
function held(): { readonly files: number; readonly heapMiB: number } {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return { files: readdirSync('/proc/self/fd').length, heapMiB: process.memoryUsage().heapUsed / 1024 ** 2 };
}

describe.skipIf(withoutEngine())('sessions on a real engine', () => {
  let bench: EngineBench;
  let folder: string;
  let shape: Partial<ContainerShape>;
  let id: ContainerId;
  const sessions: Session[] = [];

  beforeAll(async () => {
    bench = await engineBench('mcp-session');
    folder = await mkdtemp(join(tmpdir(), 'looms-servers-'));
    await chmod(folder, 0o755);
    for (const name of ['plain', 'sdk1-http']) {
      const entry = new URL(`${name}.mjs`, servers).pathname;
      const outfile = join(folder, `${name}.mjs`);
      // In the container there are no packages.
      const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
      await build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        platform: 'node',
        format: 'esm',
        banner: { js: banner },
      });
      await chmod(outfile, 0o644);
    }
    const facts = await bench.engine.findImage('node:24-slim');
    if (facts === null) throw new Error('the engine has no node:24-slim: run npm run quickstart once');
    const memory = 512 * 1024 * 1024;
    shape = {
      imageId: facts.id,
      mounts: [{ type: 'bind', source: folder, target: '/srv', readOnly: true }],
      memoryBytes: memory,
      memorySwapBytes: memory,
      nanoCpus: 2e9,
      pidsLimit: 200,
    };
    id = await bench.run('plain', shape);
  });
  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
  });
  afterAll(async () => {
    await bench?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const target = (flags: readonly string[] = [], mcp: Partial<McpSpec> = {}): SessionTarget => ({
    sessions: bench.engine,
    container: id,
    spec: {
      name: asServerName('plain'),
      limits: { executionTimeoutSeconds: 30 },
      mcp: { transport: { kind: 'stdio' }, timeoutSeconds: 20, protocol: 'legacy', tools: { exclude: [] }, ...mcp },
    } as unknown as DesiredServer,
    argv: ['node', '/srv/plain.mjs', ...flags],
    hasShell: true,
    env: { GIVEN: 's3cret-value' },
  });

  const open = async (...args: Parameters<typeof openSession>): Promise<Session> => {
    const session = await openSession(...args);
    sessions.push(session);
    return session;
  };

  /** Command lines of all processes in the container but its idle ones and our own look. */
  const processes = async (container: ContainerId = id): Promise<string[]> => {
    const { Processes: rows } = (await bench.docker.getContainer(container).top({ ps_args: '-eo pid,args' })) as {
      Processes: string[][];
    };
    return rows
      .map((row) => row.slice(1).join(' '))
      .filter((line) => !/sleep infinity|docker-init|catatonit/.test(line));
  };
  const nothingLeft = (container?: ContainerId, ms = 3_000) =>
    eventually(async () => expect(await processes(container)).toEqual([]), ms, 100);

  /** Counts the execs that a session makes. */
  const counting = (engine: Engine): { engine: Engine; execs: () => number } => {
    let count = 0;
    const exec: Engine['exec'] = (...args) => {
      count += 1;
      return engine.exec(...args);
    };
    return { engine: { ...engine, exec }, execs: () => count };
  };

  test('a stdio server passes its gate in a hardened container, with one exec and nothing left', async () => {
    const counted = counting(bench.engine);
    const result = await runGate(openSession, { ...target(), sessions: counted.engine }, { timeoutMs: 20_000 });
    expect(result).toMatchObject({ passed: true, tools: 4, server: { name: 'plain' } });
    if (result.passed) console.log(`gate of a stdio server: ${result.milliseconds} ms`);
    expect(counted.execs()).toBe(1);
    expect(await processes()).toEqual([]);
  });

  test("what a server writes to stderr is in the container's log, and its environment in no inspect", async () => {
    const session = await open(target(['--record']));
    const result = await session.callTool('read_file', { path: 'log-me' }, call);
    expect(result.content[0]?.text).toContain('s3cret-value');
    await eventually(async () => {
      const lines = await bench.engine.tailLog(id, 50);
      expect(lines.map((line) => line.text).join('\n')).toMatch(/got tools\/call .*log-me/);
    });
    expect(JSON.stringify(await bench.docker.getContainer(id).inspect())).not.toContain('s3cret-value');
  });

  test('a server that cannot start fails its gate with exit code and log', async () => {
    const result = await runGate(openSession, target(['--exit-on-start']), { timeoutMs: 10_000 });
    expect(result).toMatchObject({ passed: false, failure: { code: 'server-exited' } });
    expect(result.passed ? [] : result.failure.detail).toContain('cannot start: no license');
    const missing = await runGate(openSession, { ...target(), argv: ['no-such-server'] }, { timeoutMs: 10_000 });
    expect(missing).toMatchObject({
      passed: false,
      failure: { message: expect.stringContaining('not found in the image') },
    });
  });

  test('a server that ignores everything goes with its session, and so do its children', async () => {
    const session = await open(target(['--stubborn', '--children']), { graceMs: 200 });
    await eventually(async () =>
      expect((await processes()).filter((line) => line.includes('sleep 987'))).toHaveLength(2),
    );
    await session.close();
    expect(await processes()).toEqual([]);
  });

  /** Opens a session from another program and kills that program, so that nothing can end the session for it. */
  const abandonSession = async (
    abandoned: SessionTarget,
    { lifetimeMs, heldMs = 0 }: { lifetimeMs: number; heldMs?: number },
  ): Promise<void> => {
    const script = `
      import { engineBench } from ${JSON.stringify(benchModule)};
      import { openSession } from ${JSON.stringify(connectModule)};
      const { engine } = await engineBench('mcp-session');
      const target = JSON.parse(process.argv[1]);
      const session = await openSession({ ...target, sessions: engine }, { lifetimeMs: ${lifetimeMs}, renews: ${heldMs > 0} });
      console.log(session.server.name);
      setInterval(() => {}, 1000);
    `;
    const { sessions: _sessions, ...plainData } = abandoned;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(plainData)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const early = exited.then(() => Promise.reject(new Error('the other program ended by itself')));
    await Promise.race([once(child.stdout, 'data'), early]);
    if (heldMs > 0) {
      await pause(heldMs);
      expect((await processes()).length).toBeGreaterThan(0);
    }
    child.kill('SIGKILL');
    early.catch(() => {}); // From here on its end is what is wanted.
    await exited;
  };

  test.each([
    ['sends 20 MB', '--huge', 'session-failed', /more than 10485760 bytes/],
    ['dies in half a frame', '--half-frame', 'server-exited', /exited with code 9/],
  ])('a server that %s ends its call with a clear error, and nothing is left of it', async (_, flag, code, message) => {
    const session = await open(target([flag]));
    const failing = session.callTool('read_file', {}, { timeoutMs: 60_000 });
    await expect(failing).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    await session.close();
    await nothingLeft();
  });

  test.each([
    ['answers twice', '--twice'],
    ['floods its client with notifications', '--flood'],
    ['prints stray lines', '--stray'],
  ])('a server that %s is called all the same', async (_, flag) => {
    const session = await open(target([flag]));
    expect((await session.callTool('read_file', {}, call)).content).toHaveLength(1);
    await session.close();
    await nothingLeft();
  });

  test('a server that exits on an unknown first request is reached with auto', async () => {
    const session = await open(target(['--exit-on-unknown'], { protocol: 'auto' }));
    expect((await session.listTools()).tools).toHaveLength(4);
    expect(session.era).toBe('legacy');
  });

  test('a session whose client was killed ends at its own limit', async () => {
    await abandonSession(target(['--stubborn', '--children']), { lifetimeMs: 4_000 });
    expect((await processes()).length).toBeGreaterThan(0);
    // The limit ends the group; a child that made a group of its own is beyond it and goes with the container.
    await eventually(
      async () => expect((await processes()).filter((line) => !line.startsWith('sleep 987'))).toEqual([]),
      15_000,
      250,
    );
    await bench.exec(id, [
      'sh',
      '-c',
      'kill -9 $(grep -l 987 /proc/[0-9]*/cmdline | cut -d/ -f3 | grep -v $$) 2>/dev/null; true',
    ]);
    await nothingLeft();
  });

  test('a session whose lease is renewed outlives it, and ends within it when its client was killed', async () => {
    await abandonSession(target(['--stubborn']), { lifetimeMs: 4_000, heldMs: 10_000 });
    await eventually(async () => expect(await processes()).toEqual([]), 12_000, 250);
  });

  test('a session that is kept is ended soon after its client was killed, long before its lease is over', async () => {
    await abandonSession(target(['--stubborn']), { lifetimeMs: 300_000, heldMs: 3_000 });
    await eventually(async () => expect(await processes()).toEqual([]), 60_000, 250);
  }, 120_000);

  test('a thousand calls, eight at a time, come back to their callers and leave no process, handle or memory', async () => {
    const callsOfSession = 25;
    const work = async (first: number): Promise<number> => {
      const session = await open(target());
      let right = 0;
      for (let index = first; index < first + callsOfSession; index += 1) {
        const result = await session.callTool('read_file', { path: `p${index}.` }, call);
        if (String(result.content[0]?.text).includes(`"p${index}."`)) right += 1;
      }
      await session.close();
      return right;
    };
    const eight = async (round: number): Promise<number> => {
      const firsts = Array.from({ length: 8 }, (_, worker) => (round * 8 + worker) * callsOfSession);
      return (await Promise.all(firsts.map(work))).reduce((sum, right) => sum + right, 0);
    };
    // The first round loads what stays. Connections that are kept alive vary in number: they are ended before each count.
    let right = await eight(0);
    await nothingLeft();
    await bench.engine.close();
    const before = held();
    for (let round = 1; round < 5; round += 1) right += await eight(round);
    expect(right).toBe(1000);
    await nothingLeft();
    await bench.engine.close();
    await eventually(() => expect(held().files).toBeLessThanOrEqual(before.files), 3_000);
    expect(held().heapMiB - before.heapMiB).toBeLessThan(10);
  }, 120_000);

  describe('through a relay on an isolated network', () => {
    let network: NetworkId;
    let relay: ContainerId;
    let debian: ImageFacts;
    const name = () => `looms-${bench.project}`;

    beforeAll(async () => {
      debian = bench.facts;
      const options = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
      network = await bench.engine.createNetwork(
        { name: name(), internal: true, driver: 'bridge', options },
        bench.labels,
      );
      relay = await bench.run('relay', {
        imageId: debian.id,
        networks: [{ name: name(), aliases: [] }],
        user: '65534:65534',
        pidsLimit: 1024,
      });
    });

    const startServer = async (server: string, env: Record<string, string> = {}) =>
      bench.run(server, {
        ...shape,
        entrypoint: ['node'],
        command: ['/srv/sdk1-http.mjs'],
        env: { PORT: String(http.port), ...env },
        networks: [{ name: name(), aliases: [server] }],
      });
    const httpTarget = (container: ContainerId, host: string, kind: 'streamable-http' | 'sse'): SessionTarget => ({
      ...target([], { transport: { kind, port: http.port, path: kind === 'sse' ? '/sse' : http.path } }),
      container,
      reach: { way: relay, host },
    });

    test.each(['streamable-http', 'sse'] as const)(
      'a fresh server over %s passes its gate and is called',
      async (kind) => {
        const container = await startServer(`web-${kind}`, { LATE_MS: '500' });
        const result = await runGate(openSession, httpTarget(container, `web-${kind}`, kind), { timeoutMs: 20_000 });
        expect(result).toMatchObject({ passed: true, tools: 5, server: { name: 'sdk1-http' } });
        if (result.passed)
          console.log(`gate of a fresh ${kind} server: ${result.milliseconds} ms, 500 of them not listening`);
        const session = await open(httpTarget(container, `web-${kind}`, kind));
        expect((await session.callTool('add', { a: 20, b: 22 }, call)).content[0]?.text).toBe('42');
        await session.close();
        await nothingLeft(relay);
      },
    );

    test('twenty sessions at once, and a call that streams for 20 s with pauses, get their answers', async () => {
      const container = await startServer('busy');
      const busy = httpTarget(container, 'busy', 'streamable-http');
      const many = await Promise.all(Array.from({ length: 20 }, () => open(busy)));
      const seen: number[] = [];
      const onProgress = ({ progress }: { progress: number }) => seen.push(progress);
      const long = many[0]?.callTool('count', { to: 4, ms: 5_000 }, { timeoutMs: 60_000, onProgress });
      const sums = await Promise.all(
        many.map(async (session, index) => (await session.callTool('add', { a: index, b: 1 }, call)).content[0]?.text),
      );
      expect(sums).toEqual(many.map((_, index) => String(index + 1)));
      expect((await long)?.content[0]?.text).toBe('counted to 4');
      expect(seen).toEqual([1, 2, 3, 4]);
      await Promise.all(many.map((session) => session.close()));
      await nothingLeft(relay, 10_000);
    });

    test('a message of 20 MB ends its session with a clear error, and nothing is left of it', async () => {
      const container = await startServer('huge');
      const session = await open(httpTarget(container, 'huge', 'streamable-http'));
      await expect(session.callTool('huge', {}, { timeoutMs: 60_000 })).rejects.toMatchObject({
        code: 'session-failed',
        message: 'the server sent a message of more than 10485760 bytes',
      });
      await session.close();
      await nothingLeft(relay, 10_000);
    });

    test('a server that dies in a call is reported with its exit code', async () => {
      const container = await startServer('mortal');
      const session = await open(httpTarget(container, 'mortal', 'streamable-http'));
      await expect(session.callTool('die', {}, call)).rejects.toMatchObject({
        code: 'server-exited',
        message: 'plain exited with code 5 during the call of die',
      });
    });

    /** Kills what the engine itself started in a container, which is what bounds whatever that started. */
    const strike = `for dir in /proc/[0-9]*; do
      read -r line <"$dir/stat" && set -- \${line##*) }
      [ "$2" = 0 ] && [ "\${dir#/proc/}" -gt 1 ] && [ "\${dir#/proc/}" != $$ ] && kill -9 "\${dir#/proc/}"
    done; true`;

    test('a connection whose process in the relay is killed leaves nothing there, and its call says so', async () => {
      const container = await startServer('struck');
      const session = await open(httpTarget(container, 'struck', 'streamable-http'));
      let isUnderWay = false;
      const onProgress = () => {
        isUnderWay = true;
      };
      const calling = session.callTool('count', { to: 600, ms: 100 }, { timeoutMs: 60_000, onProgress });
      const failed = expect(calling).rejects.toMatchObject({
        code: 'session-failed',
        hint: expect.stringContaining('the call may have run'),
      });
      await eventually(() => expect(isUnderWay).toBe(true), 10_000);
      expect(await bench.exec(relay, ['bash', '-c', strike])).toMatchObject({ code: 0, stderr: '' });
      await failed;
      await session.close();
      await nothingLeft(relay, 5_000);
    });

    /** Processes of the relay's program, and what each has in memory, MiB. */
    const carriers = async (container: ContainerId): Promise<number[]> => {
      // A carrier calls itself so once it has a connection.
      const look = `for dir in /proc/[0-9]*; do read -r name <"$dir/comm" && case $name in perl|${carrierName}*) grep VmRSS "$dir/status"; esac; done; true`;
      const { stdout } = await bench.exec(container, ['bash', '-c', look]);
      return [...stdout.matchAll(/(\d+) kB/g)].map(([, kibibytes]) => Number(kibibytes) / 1024);
    };

    test('64 clients at once on one server go over one process of the relay, in flat memory', async () => {
      const container = await startServer('crowd');
      const memory = 24 * 1024 * 1024;
      const narrow = await bench.run('narrow', {
        imageId: debian.id,
        networks: [{ name: name(), aliases: [] }],
        user: '65534:65534',
        memoryBytes: memory,
        memorySwapBytes: memory,
        pidsLimit: 16,
      });
      const crowd = {
        ...httpTarget(container, 'crowd', 'streamable-http'),
        reach: { way: narrow, host: 'crowd' },
      };
      const sizes: number[] = [];
      const wave = async () => {
        const clients = await Promise.all(Array.from({ length: 64 }, () => open(crowd, { connectTimeoutMs: 60_000 })));
        const sums = await Promise.all(
          clients.map(
            async (session, index) =>
              (await session.callTool('add', { a: index, b: 1 }, { timeoutMs: 60_000 })).content[0]?.text,
          ),
        );
        expect(sums).toEqual(clients.map((_, index) => String(index + 1)));
        const running = await carriers(narrow);
        expect(running).toHaveLength(1);
        sizes.push(...running);
        return clients;
      };
      const first = await wave();
      const second = await wave();
      console.log(`the relay with 64 and 128 sessions: ${sizes.map((size) => size.toFixed(1)).join(' and ')} MiB`);
      expect(Math.max(...sizes)).toBeLessThan(12);
      const [of64 = 0, of128 = 0] = sizes;
      expect(of128 - of64).toBeLessThan(1);
      await Promise.all([...first, ...second].map((session) => session.close()));
      await nothingLeft(narrow, 10_000);
    });

    test('a relay whose client was killed ends its connections', async () => {
      const container = await startServer('lonely');
      await abandonSession(httpTarget(container, 'lonely', 'streamable-http'), { lifetimeMs: 60_000 });
      await nothingLeft(relay, 20_000);
    });

    test('the network is there for the tests above', () => {
      expect(network).toMatch(/^[0-9a-f]{64}$/);
    });
  });
});
