import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import type { ServerPosture } from '../../../src/app/inspect/posture/posture.ts';
import { renderPosture } from '../../../src/cli/render/servers/posture.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { attack } from '../../support/attacker.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { routedTarget, withoutRoutes } from '../../support/routed-target.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const read = (path: string): string => readFileSync(join(import.meta.dirname, '../../..', path), 'utf8');
const docker = (...args: readonly string[]) => promisify(execFile)('docker', args);

type Row = {
  readonly promise: string;
  readonly engine: string;
  readonly inside: string | null;
  readonly verdict: string;
};

describe.skipIf(withoutEngine())('the posture of servers', () => {
  const projects: TestProject[] = [];
  afterEach(async () => {
    for (const project of projects.splice(0)) await project.remove();
  });
  const newProject = (label: string): TestProject => {
    const project = testProject(label);
    projects.push(project);
    return project;
  };
  const lookAt = async (project: TestProject, server: string) => {
    const { code, stdout } = await project.run(['posture', server, '--json']);
    const report = JSON.parse(stdout);
    expect(schemaProblems('posture', report)).toEqual([]);
    const rows: readonly Row[] = report[0].promises;
    return { code, broken: rows.filter(({ verdict }) => verdict === 'broken'), rows };
  };

  test('is kept in all that can be read, from inside as well, and says what the engine does not have', async () => {
    const project = newProject('posture');
    const cwd = emptyFolder();
    const env = { API_TOKEN: 's3cret-value' };
    const backend = {
      volume_mounts: [
        { source: cwd, target: '/ro', read_only: true },
        { source: 'data', target: '/data' },
      ],
      security: { tmpfs: { '/tmp': '64m', '/run/x': '1m,exec' } },
    };
    const spec = tinySpec({ name: 'fs', env: { API_TOKEN: '${API_TOKEN}' }, backend });
    expect(await project.apply(spec, [], { env })).toExit(0);
    const { code, broken, rows } = await lookAt(project, 'fs');
    expect([code, broken]).toEqual([0, []]);
    const unread = rows.filter(({ inside, verdict }) => inside === null && verdict !== 'not-there');
    expect(unread.map(({ promise }) => promise)).toEqual(['devices, namespaces']);
    const said = Object.fromEntries(rows.map(({ promise, inside }) => [promise, inside]));
    expect(said).toMatchObject({
      user: '1000:1000',
      capabilities: 'none',
      memory: '128 MiB, swap none',
      network: 'eth0, no way out',
      egress: 'names by the engine',
      'root file system': 'read-only',
      seccomp: 'filtered',
      secrets: 'none in process 1',
    });
    const inJson = await project.run(['posture', '-o', 'json']);
    expect(JSON.parse(inJson.stdout)).toMatchObject([{ server: 'fs', kept: true, promises: rows }]);
    const shown = await project.run(['describe', 'fs', '--posture']);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('no promise is broken') });
    expect(shown.stdout + JSON.stringify(rows)).not.toContain('s3cret-value');
  });

  test('names what was changed by hand, by what the engine says and by what is seen inside (4)', async () => {
    const project = newProject('changed');
    expect(await project.apply(tinySpec({ name: 'fs' }))).toExit(0);
    const name = `looms-${project.name}-fs`;
    await docker('update', '--memory', '256m', '--memory-swap', '512m', '--pids-limit', '-1', name);
    await docker('network', 'connect', 'bridge', name);
    const { code, broken } = await lookAt(project, 'fs');
    expect(code).toBe(4);
    expect(broken.map(({ promise, engine, inside }) => [promise, engine, inside])).toEqual([
      ['memory', '256 MiB, swap 256 MiB', '256 MiB, swap 256 MiB'],
      ['processes', 'no limit', 'no limit'],
      [
        'network',
        expect.stringContaining('bridge (open, not of its record)'),
        expect.stringContaining('a way out by '),
      ],
      ['egress', 'open by bridge', 'names by the engine'],
    ]);
    const shown = await project.run(['posture']);
    expect(shown).toMatchObject({ code: 4, stdout: expect.stringContaining('4 of 15 promises broken') });
    expect(shown.stdout).toContain('4 BROKEN: memory, processes, network and egress of fs (exit 4; ');
  });

  test.skipIf(withoutRoutes())(
    'is for the example of Teradata, with its database, as docs/security.md shows it',
    async () => {
      const project = newProject('teradata');
      const target = await routedTarget();
      onTestFinished(() => target.close());
      const env = {
        TERADATA_HOST: target.address,
        LOOMS_SECRET_TERADATA_URI: `teradata://dbc:quux-81723-tera@${target.address}:1025/dbc`,
      };
      // It takes half a minute to start where little else runs.
      const example = read('examples/teradata-mcp.yaml').replace('timeout_seconds: 60', 'timeout_seconds: 300');
      const applied = await project.apply(example, [], { env });
      expect(applied, applied.stderr).toExit(0);
      const server = project.container('teradata');
      expect(await attack(server, 'tcp', target.address, '1025')).toBe('open: you said 4');
      expect(await attack(server, 'tcp', target.address, '5432')).toMatch(/^closed: /);
      expect(await attack(server, 'tcp', target.neighbour, '1025')).toMatch(/^closed: /);

      const onPage =
        /^\$ looms posture teradata\n([\s\S]+?)^\$ docker update (.+) looms-team-a-teradata\n[\s\S]+?\| tail -1\n(.+)\n```/m;
      const [, table = '', change = '', end = ''] = onPage.exec(read('docs/security.md')) ?? [];
      /** As it is printed on a terminal of 100 columns, with the names of the page; whether there is AppArmor, the kernel says. */
      const printed = async () => {
        const { stdout } = await project.run(['posture', 'teradata', '-o', 'json'], { env });
        expect(stdout).not.toContain('quux-81723');
        const named = stdout
          .replaceAll(project.name, 'team-a')
          .replaceAll(target.address.replace(/7$/, ''), '10.1.2.')
          .replaceAll(target.address, '10.1.2.7');
        const [posture] = JSON.parse(named) as ServerPosture[];
        return posture === undefined ? '' : renderPosture([posture], palette(false), 100);
      };
      const alike = (text: string): readonly string[] =>
        text
          .trimEnd()
          .replace(/:[0-9a-f]{32}, [0-9a-f]{12}, [\dTZ:-]+:/, '')
          .replace(/\d+ kept(?:, 1 not there)?/, '')
          .split('\n')
          .filter((line) => !line.startsWith('AppArmor'));
      expect(alike(await printed())).toEqual(alike(table));
      await docker('update', ...change.split(' '), server.id);
      expect(alike(await printed()).at(-1)).toBe(alike(end)[0]);
    },
    400_000,
  );

  test('names the network of another server’s forwarder that it was connected to, closed as that is (4)', async () => {
    const project = newProject('lent');
    const egress = ['db.example.com:5432'];
    const yaml = specs(tinySpec({ name: 'a', backend: { network: { egress } } }), tinySpec({ name: 'b' }));
    expect(await project.apply(yaml)).toExit(0);
    const theirs = `looms-${project.name}-a.egress`;
    await docker('network', 'connect', theirs, `looms-${project.name}-b`);
    const { code, broken } = await lookAt(project, 'b');
    expect(code).toBe(4);
    expect(broken.map(({ promise, engine }) => [promise, engine])).toEqual([
      ['network', expect.stringContaining(`${theirs} (no way out, not of its record)`)],
      ['egress', `no open network, within reach of ${theirs}, not of its record`],
    ]);
    expect((await lookAt(project, 'a')).broken).toEqual([]);
  });

  test('names what was changed by hand on a forwarder: a network more, its way out or its addresses less (4)', async () => {
    const project = newProject('forwarder');
    const egress = ['db.example.com:5432'];
    expect(await project.apply(tinySpec({ name: 'a', backend: { network: { egress } } }))).toExit(0);
    const [prefix, forwarder] = [`looms-${project.name}`, `looms-${project.name}-a.egress-1`];
    const expectBroken = async (network: string): Promise<void> => {
      const { code, broken } = await lookAt(project, 'a');
      const engine = `by ${forwarder}, which is changed in docker_backend.network.${network}, no open network`;
      expect(broken.map((row) => [row.promise, row.engine])).toEqual([['egress', engine]]);
      expect(code).toBe(4);
    };
    expect((await lookAt(project, 'a')).broken).toEqual([]);
    await docker('network', 'connect', 'bridge', forwarder);
    await expectBroken('bridge');
    await docker('network', 'disconnect', 'bridge', forwarder);
    await docker('network', 'disconnect', `${prefix}.out`, forwarder);
    await expectBroken(`${prefix}.out`);
    await docker('network', 'connect', `${prefix}.out`, forwarder);
    expect((await lookAt(project, 'a')).broken).toEqual([]);
    await docker('network', 'disconnect', `${prefix}-a.egress`, forwarder);
    await docker('network', 'connect', `${prefix}-a.egress`, forwarder);
    await expectBroken(`${prefix}-a.egress`);
  });

  test('names what a container made anew by hand has besides, and never takes it for what was promised (4)', async () => {
    const project = newProject('wide-open');
    const [theirs, mine] = [emptyFolder(), emptyFolder()];
    const volume_mounts = [
      { source: mine, target: '/mine', read_only: true },
      { source: 'data', target: '/data' },
    ];
    expect(await project.apply(tinySpec({ name: 'fs', backend: { volume_mounts } }))).toExit(0);
    const { Config, HostConfig, Name, NetworkSettings } = await project.container('fs').inspect();
    expect((await lookAt(project, 'fs')).broken).toEqual([]);

    const other = `looms-${project.name}-other`;
    const anew = async (host: object): Promise<readonly Row[]> => {
      await project.container('fs').remove({ force: true });
      const container = await project.docker.createContainer({
        ...Config,
        Hostname: '',
        name: Name.slice(1),
        NetworkingConfig: {
          EndpointsConfig: Object.fromEntries(
            Object.entries(NetworkSettings.Networks).map(([name, { Aliases }]) => [name, { Aliases }]),
          ),
        },
        HostConfig: { ...HostConfig, ...host },
      });
      await container.start();
      return (await lookAt(project, 'fs')).broken;
    };
    const options = ['no-new-privileges', 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'];
    const found = await anew({
      Mounts: HostConfig.Mounts?.map((mount) => ({ ...mount, Source: mount.Type === 'bind' ? theirs : other })),
      Tmpfs: { ...HostConfig.Tmpfs, '/opt/x': 'exec' },
      GroupAdd: ['0'],
      UTSMode: 'host',
      DeviceCgroupRules: ['c 1:3 rwm'],
      SecurityOpt: options,
      MaskedPaths: [],
      ReadonlyPaths: [],
    });
    expect(found.map(({ promise, engine, inside }) => [promise, engine, inside])).toEqual([
      ['user', '1000:1000, group-add=0', expect.stringContaining('in groups 0')],
      ['mounts', `/data from volume ${other}, /mine (read-only) from bind ${theirs}`, expect.anything()],
      ['in memory', '/opt/x (runs programs), /tmp, /workspace', '/tmp, /workspace'],
      ['devices, namespaces', 'device-cgroup-rule=c 1:3 rwm, uts=host, systempaths=unconfined', null],
      ['seccomp', options[1], 'filtered'],
    ]);
  });

  test('names IPv6 on its network, by which it reaches the host, and apply makes nothing there (4)', async () => {
    const project = newProject('ipv6');
    const spec = tinySpec({ name: 'fs' });
    expect(await project.apply(spec)).toExit(0);
    const [network, name] = [`looms-${project.name}`, `looms-${project.name}-fs`];
    await docker('network', 'disconnect', network, name);
    await docker('network', 'rm', network);
    const subnet = `fd00:${project.name.slice(-6, -2)}:${project.name.slice(-2)}::/64`;
    const asMade = ['--internal', '-o', 'com.docker.network.bridge.inhibit_ipv4=true'];
    const labelled = ['--label', `looms.project=${project.name}`];
    await docker('network', 'create', ...asMade, ...labelled, '--ipv6', '--subnet', subnet, network);
    await docker('network', 'connect', network, name);
    const { code, broken } = await lookAt(project, 'fs');
    expect(code).toBe(4);
    expect(broken.map(({ promise, engine, inside }) => [promise, engine, inside])).toEqual([
      [
        'network',
        `${network} (no way out, IPv6), the engine’s host is within reach`,
        expect.stringContaining(', IPv6 at eth'),
      ],
    ]);
    expect((await project.run(['describe', 'fs'])).stdout).toContain('but the engine’s host is within reach');
    const again = await project.apply(tinySpec({ name: 'fs', memoryMiB: 256 }));
    expect(again).not.toMatchObject({ code: 0 });
    expect(again.stdout + again.stderr).toContain(`network ${network}: it has IPv6, and looms makes it otherwise`);
  });

  test('is that of nobody knows what where its record cannot be read, which is no promise kept (4)', async () => {
    const project = newProject('unread');
    expect(await project.apply(specs(tinySpec({ name: 'fs' }), tinySpec({ name: 'b' })))).toExit(0);
    const { Config, HostConfig, Name } = await project.container('fs').inspect();
    await project.container('fs').remove({ force: true });
    const Labels = { ...Config.Labels, 'looms.spec': '{"name":' };
    const anew = await project.docker.createContainer({ ...Config, Labels, HostConfig, name: Name.slice(1) });
    await anew.start();
    const { code, rows } = await lookAt(project, 'fs');
    expect(code).toBe(4);
    expect(rows).toMatchObject([{ promise: 'record', verdict: 'broken', inside: null }]);
    const shown = await project.run(['posture']);
    expect(shown).toMatchObject({ code: 4, stdout: expect.stringContaining('1 of 1 promise broken') });
    expect(shown.stdout).toContain('1 BROKEN: record of fs (exit 4; ');
    const described = await project.run(['describe', 'fs', '--posture', '--json']);
    expect(described.code).toBe(4);
    expect(JSON.parse(described.stdout)).toMatchObject([{ server: 'fs', kept: false }]);
  });

  test('is told of a server that does not run, by the engine alone', async () => {
    const project = newProject('still');
    expect(await project.apply(specs(tinySpec({ name: 'a' }), tinySpec({ name: 'b' })))).toExit(0);
    expect(await project.run(['mcp', 'stop', 'a'])).toExit(0);
    const { stdout, code } = await project.run(['posture']);
    expect(code).toBe(0);
    expect(stdout).toContain('Nothing was read from inside: it does not run.');
    expect(stdout.match(/no promise is broken/g)).toHaveLength(2);
  });
});
