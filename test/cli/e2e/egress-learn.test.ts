import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mapBounded } from '../../../src/model/values/map-bounded.ts';
import { attack } from '../../support/attacker.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { changed } from '../../support/odd-servers.ts';
import { outsideAddress } from '../../support/outside.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

describe.skipIf(withoutEngine() || outsideAddress === undefined)('a server with egress_learn', () => {
  const project = testProject('learn');
  const { docker } = project;
  const address = outsideAddress ?? '';
  let target: Server;
  let port = 0;
  let heard = 0;

  const spec = (name: string, network: object): string => changed(tinySpec({ name }), { backend: { network } });
  const yaml = () =>
    specs(
      spec('new', { egress_learn: true }),
      spec('both', { egress_learn: true, egress: [{ host: 'db', address, port }] }),
    );
  const from = (server: string, ...attempt: readonly string[]) => attack(project.container(server), ...attempt);
  const forwarder = (server: string): Docker.Container =>
    docker.getContainer(`looms-${project.name}-${server}.egress-1`);
  const suggestion = async (server: string): Promise<string> => {
    const suggested = await project.run(['egress', 'suggest', server]);
    expect(suggested).toExit(0);
    return suggested.stdout;
  };

  beforeAll(async () => {
    target = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        heard += 1;
        socket.write('here');
      });
    }).listen(0, '0.0.0.0');
    await once(target, 'listening');
    const at = target.address();
    port = typeof at === 'object' && at !== null ? at.port : 0;
    const applied = await project.apply(yaml());
    expect(applied, applied.stderr).toExit(0);
  });
  afterAll(async () => {
    target?.close();
    await project.remove();
  });

  const tried: readonly (readonly [string, number])[] = [
    ['api.example.com', 443],
    ['plain.example.com', 80],
    ['vantage.example.com', 1025],
    ['pg.example.com', 5432],
    ['my.example.com', 3306],
    ['ms.example.com', 1433],
    ['ora.example.com', 1521],
    ['cache.example.com', 6379],
    ['mongo.example.com', 27017],
    ['search.example.com', 9200],
    ['queue.example.com', 9092],
    ['neo.example.com', 7687],
    ['ch.example.com', 8123],
    ['vector.example.com', 6333],
    ['mail.example.com', 587],
    ['ssh.example.com', 22],
    ['mc.example.com', 11211],
    ['llm.example.com', 11434],
    ['shortname', 8080],
  ];

  test('learns hosts and ports from what is tried, and lets nothing of it out', async () => {
    const results = await mapBounded(tried, 6, ([host, at]) => from('new', 'tcp', host, String(at)));
    expect(results.filter((result) => !result.startsWith('closed: '))).toEqual([]);
    // A second port of one host, and the same once more.
    await from('new', 'tcp', 'api.example.com', '8443');
    await from('new', 'tcp', 'api.example.com', '443');
    await from('new', 'tcp', 'far.example.com', '54321');
    const said = await suggestion('new');
    console.log(said);
    for (const [host, at] of tried) expect(said).toContain(`"${host}:${at}" # refused `);
    expect(said).toContain('"api.example.com:443" # refused 2 times\n');
    expect(said).toContain('"api.example.com:8443" # refused 1 time\n');
    // No listener is there, so only its name is known.
    expect(said).toMatch(/"far\.example\.com:PORT" # refused \d+ times?/);
    expect(said.match(/PORT/g)).toHaveLength(1);
    const filled = said
      .replace(':PORT', ':54321')
      .replace('docker_backend:', `name: d\n$&\n  base_image: node:24-slim`);
    expect(await project.run(['validate', '-f', '-'], { stdin: `${filled}\nmcp_server: { command: node }\n` })).toExit(
      0,
    );
    const json = await project.run(['egress', 'suggest', 'new', '--json']);
    expect(schemaProblems('egress-suggest', JSON.parse(json.stdout))).toEqual([]);
  });

  test('is watched as it tries, line by line, until a Ctrl-C', async () => {
    const watching = project.start(['egress', 'watch', 'new']);
    await eventually(() => expect(watching.stdout()).toContain('"api.example.com:443" # refused 2 times\n'));
    await from('new', 'tcp', 'late.example.com', '5432');
    await eventually(() => expect(watching.stdout()).toContain('      - "late.example.com:5432" # refused 1 time\n'));
    expect(watching.stdout().match(/docker_backend:/g)).toHaveLength(1);
    watching.child.kill('SIGINT');
    expect(await watching.finished).toExit(130);
  });

  test('is in sync, its forwarder is on no network but theirs, and hardened', async () => {
    const { plan } = await project.diff(yaml());
    expect(changesAsText(plan)).toEqual([]);
    expect(plan.support).toEqual([]);
    const { HostConfig, NetworkSettings } = await forwarder('new').inspect();
    expect(Object.keys(NetworkSettings.Networks)).toEqual([`looms-${project.name}-new.egress`]);
    expect(HostConfig).toMatchObject({ CapDrop: ['ALL'], ReadonlyRootfs: true, Privileged: false });
    expect(HostConfig.SecurityOpt?.join()).toContain('no-new-privileges');
  });

  test('reaches nothing by its address either, nor by what the forwarder has', async () => {
    const before = heard;
    const names = (await project.container('new').inspect()).HostConfig.Dns?.[0] ?? '';
    const attempts = [
      ['tcp', address, String(port)],
      ['tcp', '1.1.1.1', '443'],
      ['tcp', names, '53'],
      ['tcp', names, '443'],
      ['udp', 'udp.example.com', '443'],
      ['udp', address, String(port)],
      ['dns', names, 'c2VjcmV0.tunnel.example.com'],
      ['dns', '127.0.0.11', 'c2VjcmV0.tunnel.example.com'],
      ['ping', address],
    ];
    const results = await mapBounded(attempts, 4, (attempt) => from('new', ...attempt));
    expect(results.filter((result) => !result.startsWith('closed: '))).toEqual([]);
    expect(heard).toBe(before);
    expect(await suggestion('new')).toContain('# port 443 of an address that no name was asked for, 1 time');
  });

  test('with a list reaches what is listed, and learns the rest, other ports of the same host among it', async () => {
    expect(await from('both', 'tcp', 'db', String(port))).toBe('open: here');
    expect(await from('both', 'tcp', 'db', '6379')).toMatch(/^closed: /);
    expect(await from('both', 'tcp', 'api.example.com', '443')).toMatch(/^closed: /);
    expect(await from('new', 'tcp', 'db', String(port))).toMatch(/^closed: /);
    const said = await suggestion('both');
    expect(said).toContain(`- {"host":"db","port":${port},"address":"${address}"}\n`);
    expect(said).toContain('- "api.example.com:443" # refused 1 time');
    expect(said).toContain('- "db:6379" # refused 1 time');
  });

  test('learns after a restart of its forwarder, and says so of a call that failed', async () => {
    await forwarder('new').restart({ t: 0 });
    await eventually(async () => {
      await from('new', 'tcp', 'again.example.com', '443');
      expect(await suggestion('new')).toContain('"again.example.com:443"');
    });
    const said = JSON.stringify({ text: 'getaddrinfo ENOTFOUND again.example.com' });
    const failed = await project.run(['mcp', 'call', 'new', 'fail', said]);
    expect(failed.stderr).toContain('what it tries by name is noted (network.egress_learn)');
    const info = await project.run(['mcp', 'info', 'new']);
    expect(info.stdout).toContain('no way out, notes what else is tried');
    const posture = await project.run(['posture', 'new']);
    expect(posture.stdout).toMatch(/egress +kept +nothing, the rest is noted/);
  });

  test('gets a name for more hosts than it has addresses, and no port', async () => {
    const many = [...Array(40).keys()];
    await mapBounded(many, 6, (index) => from('new', 'tcp', `h${index}.example.com`, '443'));
    const said = await suggestion('new');
    for (const index of many) expect(said).toMatch(new RegExp(`"h${index}\\.example\\.com:(?:443|PORT)"`));
  });

  test('has what it learned as its list with the next apply, and leaves nothing behind', async () => {
    const listed = specs(spec('new', { egress: [{ host: 'db', address, port }] }));
    expect(await project.apply(listed, ['--prune'])).toExit(0);
    expect(await from('new', 'tcp', 'db', String(port))).toBe('open: here');
    expect(await project.names()).toEqual(['new', 'new.egress-2']);
    const deleted = await project.run(['delete', 'new', '--yes']);
    expect(deleted).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
  });
});
