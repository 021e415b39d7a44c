import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { echoArgv } from './lib/echo-server.mjs';
import { startGateway } from './lib/gateway.mjs';
import { onSpecs, removeProject } from './lib/looms.mjs';
import { mcpClient } from './lib/mcp-http.mjs';
import { median, printRatios } from './lib/measure.mjs';

const project = 'bench-scan';
/** Secrets of the server, so that there is something to look for beside what keys look like. */
const secrets = ['one', 'two', 'three', 'four', 'five'].map((name) => `scan_${name}`);
/** Sizes of answers, characters, and how often each is asked for in a round. */
const sizes = [
  ['1 KB', 1_000, 100],
  ['100 KB', 100_000, 20],
  ['1 MB', 1_000_000, 5],
];
const rounds = 12;

const spec = JSON.stringify({
  name: 'log',
  docker_backend: {
    runtime_type: 'custom',
    base_image: 'node:24-slim',
    environment: Object.fromEntries(secrets.map((name) => [name.toUpperCase(), `\${secret:${name}}`])),
    resource_limits: { memory_mb: 1024, pids_limit: 500 },
  },
  mcp_server: { command: echoArgv[0], args: echoArgv.slice(1) },
});

/** What `serve.scan` costs a call on an open session, by the length of its answer, in which there is no secret. */
export async function benchScan() {
  const values = secrets.map((name) => [`LOOMS_SECRET_${name.toUpperCase()}`, `${name}-${'v'.repeat(20)}`]);
  // One key signs for all of the states below: the server is of this machine to each.
  const key = { LOOMS_RECORD_KEY: 'the key of a measurement, which is on nobody’s machine' };
  const env = { ...process.env, ...key, ...Object.fromEntries(values) };
  const folder = mkdtempSync(join(tmpdir(), 'looms-bench-'));
  const open = [];
  try {
    await onSpecs(project, spec, ['apply', '--yes'], { env });
    const ways = [];
    for (const mode of ['off', 'mask', 'deny']) {
      writeFileSync(join(folder, 'looms.yaml'), `serve: { scan: ${mode} }\n`);
      // A state of its own: there is one gateway of a project in each.
      const own = { ...env, XDG_STATE_HOME: join(folder, mode) };
      const gateway = await startGateway(project, { cwd: folder, env: own });
      const client = mcpClient({ socketPath: gateway.socket, path: '/mcp/log' });
      open.push({ gateway, client });
      await client.open();
      ways.push({ label: `scan: ${mode}`, gateway, client });
    }
    for (const [name, length, calls] of sizes) {
      const took = ways.map(({ label }) => ({ label, ms: [], cpuMs: 0 }));
      for (let round = 0; round < rounds; round += 1) {
        for (const [index, { gateway, client }] of ways.entries()) {
          const before = gateway.cpuMs();
          for (let call = 0; call < calls; call += 1) {
            const started = performance.now();
            const text = await client.call('log', { value: length });
            if (text.length !== length) throw new Error(`an answer of ${text.length} characters`);
            took[index].ms.push(performance.now() - started);
          }
          // The first ones are of code that is not compiled yet.
          if (round < 2) took[index].ms = [];
          else took[index].cpuMs += gateway.cpuMs() - before;
        }
      }
      const p50 = took.map(({ label, ms }) => [label, median(ms)]);
      printRatios(`A call that answers ${name}, p50`, p50);
      const each = calls * (rounds - 2);
      const cpu = took.map(({ label, cpuMs }) => [label, cpuMs / each]);
      printRatios('CPU time of the gateway for it', cpu);
    }
  } finally {
    for (const { client } of open) client.close();
    await Promise.all(open.map(({ gateway }) => gateway.stop()));
    await removeProject(project);
    rmSync(folder, { recursive: true, force: true });
  }
}
