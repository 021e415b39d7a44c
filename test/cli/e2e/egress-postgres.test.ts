import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptsFrom, openOf, surroundingsOf, tryAll } from '../../support/attacks.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { testLabel, withoutEngine } from '../../support/images.ts';
import { outsideAddress } from '../../support/outside.ts';
import { testProject } from '../../support/test-project.ts';

const example = readFileSync(new URL('../../../examples/postgres-mcp.yaml', import.meta.url), 'utf8');
const password = randomBytes(9).toString('hex');

describe.skipIf(withoutEngine() || outsideAddress === undefined)('postgres-mcp in front of a Postgres outside', () => {
  const project = testProject('postgres');
  const env = (port: number) => ({
    LOOMS_SECRET_POSTGRES_URI: `postgresql://postgres:${password}@db:${port}/postgres`,
  });
  let port = 0;
  /** At the same address as the database, and on no list. */
  let heard = 0;
  const listener = createServer(() => heard++);
  let database: { remove: (options: object) => Promise<unknown> } | undefined;

  beforeAll(async () => {
    port = await freePort();
    listener.listen(0, '0.0.0.0');
    await once(listener, 'listening');
    const container = await project.docker.createContainer({
      Image: 'postgres:17',
      Cmd: ['postgres', '-p', String(port)],
      Env: [`POSTGRES_PASSWORD=${password}`],
      Labels: { 'looms.test': testLabel('postgres') },
      HostConfig: { NetworkMode: 'host' },
    });
    database = container;
    await container.start();
    const ready = async () => {
      const log = await container.logs({ stdout: true, stderr: true });
      expect(log.toString()).toContain('ready to accept connections');
    };
    await eventually(ready, 60_000);
    const target = JSON.stringify({ host: 'db', address: outsideAddress, port });
    const spec = example.replace(/egress: .*/, `egress: [${target}]`);
    const applied = await project.apply(spec, [], { env: env(port) });
    expect(applied, applied.stderr).toExit(0);
  }, 600_000);
  afterAll(async () => {
    listener.close();
    await project.remove();
    await database?.remove({ force: true, v: true });
  });

  test('answers a query through its allow-list, and reaches nothing else', async () => {
    const call = ['mcp', 'call', 'postgres', 'execute_sql', 'sql=select 6 * 7 as answer, version()'];
    const { code, stdout, stderr } = await project.run(call, { env: env(port) });
    console.log(stdout);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/'answer': 42.*PostgreSQL 1\d/);
    // Beside the answer, everything else: nothing of it comes about. The other port is one that the machine listens on.
    const at = listener.address();
    const around = await surroundingsOf(project, 'postgres', {
      host: 'db',
      address: outsideAddress ?? '',
      port,
      otherPort: typeof at === 'object' && at !== null ? at.port : 0,
    });
    const results = await tryAll(project.container('postgres'), attemptsFrom(around));
    expect(openOf(results)).toEqual([]);
    expect(heard).toBe(0);
    expect(Object.keys(results).length).toBeGreaterThan(55);
  });
});
