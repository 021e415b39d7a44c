import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';
import type { startLooms } from '../support/looms.ts';
import { changed } from '../support/odd-servers.ts';
import { testProject } from '../support/test-project.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';
import { baselineOf, behindTheGateway, rename, revisions, scenariosOf, serverChecks, serverVerdicts } from './suite.ts';

// What each revision requires of a server, by its own suite: of one by itself, and of the gateway in front of the same
// one. What it fails behind the gateway it is to fail by itself. CONFORMANCE_REPEAT: how often, as some faults are races.

const repeat = Number(process.env.CONFORMANCE_REPEAT ?? 1);
const fixture = new URL('../fixtures/servers/everything.mjs', import.meta.url).pathname;

describe.skipIf(withoutEngine())('a server behind the gateway', () => {
  const stdio = testProject('conform');
  const http = testProject('conform-http');
  const folder = mkdtempSync(join(tmpdir(), 'looms-conformance-'));
  const env = { XDG_STATE_HOME: mkdtempSync(join(tmpdir(), 'looms-state-')) };
  const alone = spawn(process.execPath, [fixture], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gateways: ReturnType<typeof startLooms>[] = [];
  const forwards: Server[] = [];
  let own: string;
  const at: Record<string, string> = {};

  /** The socket of a gateway at a TCP port: the suite knows no tokens. */
  const overTcp = async (socket: string): Promise<string> => {
    const server = createServer((client) => {
      const gateway = createConnection(socket);
      client.on('error', () => gateway.destroy()).pipe(gateway);
      gateway.on('error', () => client.destroy()).pipe(client);
    });
    forwards.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const serve = async (project: typeof stdio, spec: string): Promise<string> => {
    const { code, stderr } = await project.apply(spec, [], { env });
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const gateway = project.start(['serve', '--json'], { env });
    gateways.push(gateway);
    const { socket } = await eventually((): { socket: string } => {
      if (gateway.child.exitCode !== null) throw new Error(`it ended: ${gateway.stderr()}`);
      return JSON.parse(gateway.stdout());
    });
    return overTcp(socket);
  };
  const everything = (mcp: object): string =>
    changed(tinySpec({ name: 'everything', memoryMiB: 512 }), {
      args: ['/srv/everything.mjs'],
      mcp: { protocol: 'auto', ...mcp },
      backend: { volume_mounts: [{ source: folder, target: '/srv', read_only: true }] },
    });

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    await build({
      entryPoints: [fixture],
      outfile: join(folder, 'everything.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
    let told = '';
    alone.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    own = `http://127.0.0.1:${await eventually(() => /^\d+/.exec(told)?.[0] ?? Promise.reject(new Error('no port yet')))}/mcp`;
    const [overExec, overRelay] = await Promise.all([
      serve(stdio, specs(everything({}))),
      serve(http, specs(everything({ transport: 'streamable-http', port: 8000, path: '/mcp', env: { PORT: '8000' } }))),
    ]);
    at['over stdio'] = `${overExec}/mcp/everything`;
    at['over HTTP'] = `${overRelay}/mcp/everything`;
    at['among all'] = `${overExec}/mcp`;
  });
  afterAll(async () => {
    alone.kill();
    for (const { child } of gateways) child.kill('SIGTERM');
    for (const forward of forwards) forward.close();
    await Promise.all([stdio.remove(), http.remove()]);
  });

  describe.each(revisions)('%s', (revision) => {
    let alike: readonly string[];
    beforeAll(async () => {
      alike = await serverVerdicts(own, revision);
    });

    test('by itself it meets all but what the baseline excuses', () => {
      const failed = new Set(alike.filter((one) => one.endsWith('FAILURE')).map((one) => one.split(':')[0]));
      expect([...failed].sort()).toEqual([...baselineOf(revision).server].sort());
      const run = new Set(alike.map((one) => one.split(':')[0]));
      expect(scenariosOf(revision, 'server').filter((scenario) => !run.has(scenario))).toEqual([]);
    });

    test.each(['over stdio', 'over HTTP', 'among all'])(
      '%s it gets the same verdict on each check',
      async (how) => {
        const hook = how === 'among all' ? rename : [];
        const wanted = behindTheGateway(alike);
        const differences: string[] = [];
        for (let time = 1; time <= repeat; time += 1) {
          const checks = await serverChecks(at[how] ?? '', revision, hook);
          const own = checks.filter(({ verdict }) => !wanted.includes(verdict));
          const missing = wanted.filter((one) => !checks.some(({ verdict }) => verdict === one));
          differences.push(...own.map(({ verdict, said }) => `${time}: ${verdict}: ${said}`));
          differences.push(...missing.map((one) => `${time}: not ${one}`));
          if (own.length + missing.length === 0) expect(checks.map(({ verdict }) => verdict)).toEqual(wanted);
        }
        expect(differences).toEqual([]);
      },
      120_000 * repeat,
    );
  });
});
