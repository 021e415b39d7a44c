import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { testLabel, withoutEngine } from '../../support/images.ts';
import { parsed } from '../../support/prometheus.ts';
import { testProject } from '../../support/test-project.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const socket = '/var/run/docker.sock';

/** What this machine needs besides, to be without a registry and behind a house's own CA: what images are built with. */
const certificates = ['/etc/ssl/certs/ca-certificates.crt', '/usr/local/share/ca-certificates'].filter(existsSync);

/** The recipe hands over the usual socket, which another engine's containers would find nothing behind. */
const isUsual = ['', `unix://${socket}`, 'unix:///run/docker.sock'].includes(process.env.DOCKER_HOST ?? '');
const { findCompose } = await import('../../../bench/lib/compose.mjs');
const compose = withoutEngine() || !isUsual || !existsSync(socket) ? undefined : await findCompose();
if (compose === undefined) console.log('skipped: there is no Docker Compose, or no engine at its usual socket');

const firstStart = `set -e
export POSTGRES_PASSWORD=$$(cat /run/secrets/postgres_password) PGHOST=/tmp
docker-entrypoint.sh pg_ctl --wait --silent --options="-c listen_addresses=''" start
for script in /docker-entrypoint-initdb.d/*.sh; do "$$script"; done
pg_ctl --wait --silent --mode=fast stop
exec docker-entrypoint.sh postgres`;

describe.skipIf(compose === undefined)('deploy/compose.yaml', () => {
  const project = testProject('deploy');
  const folder = mkdtempSync(join(tmpdir(), 'looms-deploy-'));
  const override = {
    services: {
      looms: {
        build: { context: root, dockerfile: 'deploy/Dockerfile', args: { PACKAGES: '' } },
        image: project.name,
        environment: { NODE_EXTRA_CA_CERTS: '/etc/ssl/certs/ca-certificates.crt' },
        volumes: certificates.map((path) => `${path}:${path}:ro`),
        labels: { 'looms.test': testLabel('deploy') },
      },
      postgres: {
        // The stand-in for the official image knows no files of secrets, and no scripts for a new database.
        entrypoint: ['sh', '-c', firstStart],
        labels: { 'looms.test': testLabel('deploy') },
      },
    },
  };
  const run = (...args: readonly string[]): string =>
    execFileSync(
      compose?.command ?? '',
      [...(compose?.args ?? []), '-p', project.name, '-f', 'compose.yaml', '-f', 'override.json', ...args],
      {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        // A port that is free, of the engine's choice.
        env: { ...process.env, DOCKER_GID: String(statSync(socket).gid), LOOMS_PORT: '0' },
      },
    );
  const secret = (name: string): string => readFileSync(join(folder, 'secrets', name), 'utf8');
  const headers = (name: string) => ({ authorization: `Bearer ${secret(name)}` });
  let url = '';

  beforeAll(async () => {
    cpSync(join(root, 'deploy'), folder, { recursive: true, filter: (path) => !path.endsWith('/secrets') });
    for (const file of ['compose.yaml', 'looms/looms.yaml']) {
      const text = readFileSync(join(folder, file), 'utf8');
      writeFileSync(join(folder, file), text.replaceAll(/\bdemo\b/g, project.name));
    }
    writeFileSync(join(folder, 'override.json'), JSON.stringify(override));
    execFileSync('sh', [join(folder, 'make-secrets.sh')]);
    run('up', '--detach', '--wait', '--quiet-pull');
    url = `http://${run('port', 'looms', '7777').trim()}`;
    // The image of the MCP server is built by looms, in the loop.
    await eventually(async () => {
      const ready = await fetch(`${url}/readyz`, { headers: headers('client_token') });
      expect(ready.status, run('logs', 'looms')).toBe(200);
    }, 900_000);
  }, 1_200_000);
  afterAll(async () => {
    run('down', '--volumes', '--timeout', '20');
    await project.remove();
    await project.docker.getImage(project.name).remove({ force: true });
    rmSync(folder, { recursive: true, force: true });
  }, 240_000);

  const container = async (service: string) =>
    project.docker.getContainer(run('ps', '--quiet', service).trim()).inspect();

  test('a client queries the database through the MCP server that looms made for it', async () => {
    const client = new Client({ name: 'test', version: '1' });
    const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp/postgres`), {
      requestInit: { headers: headers('client_token') },
    });
    await client.connect(transport as never);
    const sql =
      "select 6 * 7 as answer, rolname = 'reader' as reads, rolsuper from pg_roles where rolname = current_user";
    const answer = await client.callTool({ name: 'execute_sql', arguments: { sql } });
    expect(JSON.stringify(answer)).toContain("'answer': 42, 'reads': True, 'rolsuper': False");
    await client.close();
  });

  test('what is stopped is started again, and the token of Prometheus reads that and nothing else', async () => {
    await project.container('postgres').stop({ t: 0 });
    await eventually(async () => {
      expect((await project.container('postgres').inspect()).State.Running).toBe(true);
      const families = parsed(await (await fetch(`${url}/metrics`, { headers: headers('metrics_token') })).text());
      const samples = families.get('looms_changes_total')?.samples.map(({ labels }) => labels.reason);
      expect(samples).toEqual(['missing', 'exited']);
      expect(families.get('looms_server_health')?.samples.find(({ value }) => value === 1)?.labels.state).toBe(
        'healthy',
      );
    }, 120_000);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const call = { method: 'POST', headers: headers('metrics_token'), body: '{}' };
    expect((await fetch(`${url}/mcp/postgres`, call)).status).toBe(403);
  }, 180_000);

  test.each(['looms', 'postgres'])('%s is healthy, has limits and no rights that it does not need', async (service) => {
    const { State: state, HostConfig: host, Config: config } = await container(service);
    expect(state.Health?.Status).toBe('healthy');
    expect(host).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], Privileged: false });
    expect(host.SecurityOpt).toEqual(['no-new-privileges:true']);
    expect([host.Memory, host.NanoCpus, host.PidsLimit].every((limit) => Number(limit) > 0)).toBe(true);
    expect(config.User).toMatch(/^(10001:10001|postgres)$/);
    for (const name of ['postgres_password', 'reader_password', 'postgres_uri', 'client_token', 'metrics_token']) {
      expect(JSON.stringify(config)).not.toContain(secret(name));
    }
  });
});
