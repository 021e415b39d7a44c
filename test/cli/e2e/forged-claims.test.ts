import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { basisOf } from '../../../src/model/plan/plan-basis.ts';
import { loadDocuments } from '../../../src/spec/load.ts';
import { recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { eventually } from '../../support/eventually.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder } from '../../support/looms.ts';
import { httpSpec } from '../../support/odd-servers.ts';
import { schemaProblems } from '../../support/schemas.ts';
import { socketFetch } from '../../support/socket-fetch.ts';
import { type TestProject, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const image = 'node:24-slim';
const secret = 'operators-own-secret';
const env = { AWS_SECRET_ACCESS_KEY: secret };
const asksForSecret = (name: string): string => tinySpec({ name, env: { API_TOKEN: '${AWS_SECRET_ACCESS_KEY}' } });

/** The spec of a text, as the label of its container would say it. */
function recordOf(text: string, change: (spec: Record<string, unknown>) => object = (spec) => spec): string {
  const [server] = loadDocuments([{ file: '-', directory: '/', text }], { environment: env, strict: false }).servers;
  if (server === undefined) throw new Error('the spec of the test is wrong');
  return recordSpec({ ...server.spec, ...change(server.spec as unknown as Record<string, unknown>) }, image);
}

const labelsOf = (project: TestProject, server: string, spec: string): Record<string, string> => ({
  'looms.project': project.name,
  'looms.server': server,
  'looms.generation': '1',
  'looms.spec': spec,
  'looms.spec-hash': 'x',
  'looms.image': image,
});

describe.skipIf(withoutEngine())('what is only claimed', () => {
  const projects: TestProject[] = [];
  const images: string[] = [];
  const newProject = (label: string): TestProject => {
    const project = testProject(label);
    projects.push(project);
    return project;
  };

  afterEach(async () => {
    for (const project of projects.splice(0)) {
      await project.remove();
      for (const one of images.splice(0)) await project.docker.getImage(one).remove({ force: true });
    }
  });

  /** Runs an image whose labels were forged, as somebody would who knows nothing of it. */
  async function runForged(project: TestProject, labels: Readonly<Record<string, string>>, name?: string) {
    const repo = `looms-test/${project.name}`;
    const base = await project.docker.createContainer({ Image: image, Labels: labels, Cmd: ['sleep', '600'] });
    await base.commit({ repo });
    await base.remove({ force: true });
    images.push(repo);
    const run = await project.docker.createContainer({
      Image: repo,
      Cmd: ['sleep', '600'],
      ...(name === undefined ? {} : { name }),
    });
    await run.start();
    return run;
  }

  test.each([
    ['with a role', { 'looms.role': 'server' }],
    ['without a role', {}],
    ['with a role and an id of some image', { 'looms.role': 'server', 'looms.image-id': `sha256:${'a'.repeat(64)}` }],
  ])('an image with forged labels %s is nobody’s server, also under its name', async (_, more) => {
    const project = newProject('forged');
    const labels = { ...labelsOf(project, 'fs', recordOf(asksForSecret('fs'))), ...more };
    const stranger = await runForged(project, labels, `looms-${project.name}-fs`);

    const called = await project.run(['mcp', 'call', 'fs', 'secret'], { env });
    expect(called.code).not.toBe(0);
    expect(called.stderr).toContain('server-not-found');
    expect(called.stdout + called.stderr).not.toContain(secret);

    const listed = await project.run(['mcp', 'list', '--json']);
    expect(JSON.parse(listed.stdout)).toEqual([]);
    expect(listed.stderr.match(/looms did not make it/g)).toHaveLength(1);
    const everywhere = await project.run(['mcp', 'list', '--all-projects', '--json']);
    expect(everywhere.stdout).not.toContain(project.name);
    const health = await project.run(['mcp', 'health'], { env });
    expect(health.stdout + health.stderr).not.toMatch(/unhealthy|token=/);

    const { plan } = await project.diff(tinySpec({ name: 'fs' }));
    expect(plan.changes).toMatchObject([{ server: 'fs', action: 'blocked' }]);
    expect(plan.warnings.map(({ code }) => code)).toContain('not-ours');
    expect((await stranger.inspect()).State.Running).toBe(true);
  });

  test('a stranger that names a server that is there is not removed, and takes nothing over', async () => {
    const project = newProject('stranger');
    const text = asksForSecret('fs');
    expect(await project.apply(text, [], { env })).toExit(0);
    const labels = { ...labelsOf(project, 'fs', recordOf(text)), 'looms.role': 'server', 'looms.generation': '9' };
    const stranger = await runForged(project, labels);

    const again = await project.apply(text, ['--prune'], { env });
    expect(again, again.stderr).toExit(0);
    expect((await stranger.inspect()).State.Running).toBe(true);
    await project.container('fs').stop({ t: 0 });
    const called = await project.run(['mcp', 'call', 'fs', 'secret'], { env });
    expect(called.stderr).toContain('server-not-running');
    expect(called.stdout).not.toContain(secret);
    expect(await project.run(['delete', 'fs', '--yes'])).toExit(0);
    expect((await stranger.inspect()).State.Running).toBe(true);
  });

  test.each([
    ['/', 'the root of the host is never mounted'],
    ['/var/run/docker.sock', 'is never mounted'],
    ['/etc/..', ''],
  ])('a record that was forged by hand with a bind of %s is not started', async (source, says) => {
    const project = newProject('record');
    const mounts = [{ type: 'bind', source, target: '/host', readOnly: false }];
    const record = recordOf(tinySpec({ name: 'fs' }), () => ({ mounts }));
    await project.docker.createContainer({
      Image: image,
      name: `looms-${project.name}-fs`,
      Cmd: ['sleep', '600'],
      Labels: { ...labelsOf(project, 'fs', record), 'looms.role': 'server' },
    });
    for (const command of ['start', 'restart']) {
      const started = await project.run(['mcp', command, 'fs']);
      expect(started.code).not.toBe(0);
      expect(started.stderr).toContain('breaks a rule of a spec file');
      expect(started.stderr).toContain(says);
    }
    const { State: state, HostConfig: host } = await project.container('fs').inspect();
    expect({ status: state.Status, mounts: host.Mounts ?? [] }).toEqual({ status: 'created', mounts: [] });
  });

  test('a record of the past that breaks a rule says so in history, and is not gone back to', async () => {
    const project = newProject('past');
    expect(await project.apply(tinySpec({ name: 'fs' }))).toExit(0);
    const { Image: id } = await project.container('fs').inspect();
    const mounts = [{ type: 'bind', source: '/', target: '/host', readOnly: false }];
    const labels = {
      'looms.role': 'history',
      'looms.image-id': id,
      'looms.outcome': 'replaced',
      'looms.signature': 'x',
    };
    await project.docker.createContainer({
      Image: id,
      name: `looms-${project.name}-fs.h9`,
      Cmd: ['true'],
      Labels: {
        ...labelsOf(
          project,
          'fs',
          recordOf(tinySpec({ name: 'fs' }), () => ({ mounts })),
        ),
        ...labels,
        'looms.generation': '9',
      },
    });
    const shown = await project.run(['history', 'fs']);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ {5}not usable: .*root of the host/m) });
    const { stdout } = await project.run(['history', 'fs', '--json']);
    expect(schemaProblems('history', JSON.parse(stdout))).toEqual([]);
    const before = await project.idOf('fs');
    for (const to of [
      ['--to', '9'],
      ['--to', '9', '--trust-record'],
      ['--to', '9', '--dry-run'],
    ]) {
      const back = await project.run(['rollback', 'fs', ...to, '--yes']);
      expect(back).toMatchObject({ code: 65, stdout: '', stderr: expect.stringContaining('never mounted') });
    }
    expect(await project.idOf('fs')).toBe(before);
    expect(await project.names()).toEqual(['fs']);
  });

  test('a saved plan with another mount and a basis to match is refused with the rule (65)', async () => {
    const project = newProject('plan-forged');
    const cwd = emptyFolder();
    const folder = emptyFolder();
    const spec = JSON.parse(tinySpec({ name: 'fs' })) as { docker_backend: object };
    const text = JSON.stringify({
      ...spec,
      docker_backend: { ...spec.docker_backend, volume_mounts: [{ source: folder, target: '/data' }] },
    });
    writeFileSync(join(cwd, 'mcp.yaml'), text);
    await project.run(['diff', '-f', 'mcp.yaml', '--out', 'plan.json'], { cwd });
    const written = readFileSync(join(cwd, 'plan.json'), 'utf8');
    expect(written).toContain(folder);
    const forged = JSON.parse(written.replaceAll(folder, '/'));
    for (const server of forged.servers) server.hash = specHash(server.spec, server.image.ref);
    forged.plan.basis = basisOf(forged.plan);
    writeFileSync(join(cwd, 'plan.json'), JSON.stringify(forged));

    const applied = await project.run(['apply', 'plan.json'], { cwd });
    expect(applied).toMatchObject({ code: 65, stderr: expect.stringContaining('root of the host is never mounted') });
    expect(await project.names()).toEqual([]);
  });

  test('a record that this machine did not make gets no secret until somebody accepts it', async () => {
    const project = newProject('foreign-record');
    const text = asksForSecret('fs');
    const elsewhere = { ...env, XDG_STATE_HOME: emptyFolder() };
    expect(await project.apply(text, [], { env: elsewhere })).toExit(0);

    const call = ['mcp', 'call', 'fs', 'secret'] as const;
    const refused = await project.run(call, { env });
    expect(refused).toMatchObject({ code: 9, stdout: '' });
    expect(refused.stderr).toContain('error[record-untrusted]');
    expect(refused.stderr).toContain('AWS_SECRET_ACCESS_KEY');
    expect(refused.stderr).toContain('--trust-record');
    for (const line of [
      /│ made by +not this machine: it is signed with another key, by its word [0-9a-f]{12}/,
      /│ image +node:24-slim/,
      /│ user +1000:1000/,
      /│ network +isolated/,
      /│ secrets +\$\{AWS_SECRET_ACCESS_KEY\} as API_TOKEN/,
    ])
      expect(refused.stderr).toMatch(line);
    expect(refused.stderr).not.toContain(secret);
    const health = await project.run(['mcp', 'health', '--json'], { env });
    expect(health.stdout).toContain('record-untrusted');
    expect(JSON.parse(health.stdout)).toMatchObject([{ verdict: 'unknown' }]);
    expect(await project.run(['mcp', 'start', 'fs'], { env })).toExit(0);
    expect(await project.run(['mcp', 'restart', 'fs', '--dry-run'], { env })).toExit(0);
    const restarted = await project.run(['mcp', 'restart', 'fs', '--yes'], { env });
    expect(restarted).toMatchObject({ code: 9, stderr: expect.stringMatching(/│ runs +node/) });
    expect(await project.run(['mcp', 'stop', 'fs'], { env })).toExit(0);
    expect(await project.run(['mcp', 'start', 'fs', '--yes'], { env })).toExit(9);
    const started = await project.run(['mcp', 'start', 'fs'], { env: elsewhere });
    expect(started, started.stderr).toExit(0);

    const accepted = await project.run([...call, '--trust-record'], { env });
    expect(accepted).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/│ made by[\s\S]*Accepted by --trust-record/),
    });
    expect(await project.run(call, { env })).toExit(0);

    const third = { ...env, XDG_STATE_HOME: emptyFolder() };
    expect(await project.run(call, { env: third })).toExit(9);
    expect(await project.apply(text, [], { env: third })).toExit(0);
    expect(await project.run(call, { env: third })).toExit(0);
  });

  test('a gateway gives it none either, unless it was started with --trust-record, which says what it accepted', async () => {
    const project = newProject('foreign-gateway');
    expect(await project.apply(asksForSecret('fs'), [], { env: { ...env, XDG_STATE_HOME: emptyFolder() } })).toExit(0);
    const answered = async (...flags: string[]) => {
      const gateway = project.start(['serve', '--json', ...flags], { env });
      const { socket } = await eventually((): { socket: string } => JSON.parse(gateway.stdout()), 60_000);
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 't', version: '1' } };
      const response = await socketFetch(socket)('http://localhost/mcp/fs', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
      });
      const text = await response.text();
      gateway.child.kill('SIGINT');
      return { text, stderr: (await gateway.finished).stderr };
    };
    expect((await answered()).text).toContain('record-untrusted');
    const trusting = await answered('--trust-record');
    expect(trusting.text).toContain('"protocolVersion"');
    expect(trusting.stderr).toMatch(/│ made by[\s\S]*Accepted by --trust-record/);
    const again = await answered();
    expect({ ...again, text: again.text.includes('"protocolVersion"') }).toEqual({ text: true, stderr: '' });
  });

  test('a record of somebody else has no secret looked up for it, by anything that only looks', async () => {
    const project = newProject('no-look-ups');
    const cwd = emptyFolder();
    const looked = join(cwd, 'looked-up');
    writeFileSync(join(cwd, 'provider'), `#!/bin/sh\necho "$1" >> ${looked}\necho value-of-it\n`, { mode: 0o755 });
    const provider = JSON.stringify([join(cwd, 'provider')]);
    writeFileSync(join(cwd, 'looms.yaml'), `secrets:\n  providers:\n    - { type: command, argv: ${provider} }\n`);
    const times = (): number => (existsSync(looked) ? readFileSync(looked, 'utf8').split('\n').length - 1 : 0);
    const text = specs(
      tinySpec({ name: 'fs', env: { API_TOKEN: '${secret:one}' } }),
      httpSpec('web', { secret: 'two' }),
    );
    const elsewhere = { XDG_STATE_HOME: emptyFolder() };
    const made = await project.apply(text, [], { cwd, env: elsewhere });
    expect(made, made.stderr).toExit(0);
    expect(times()).toBeGreaterThan(0);
    rmSync(looked);

    const commands = [
      ['mcp', 'logs', 'fs'],
      ['mcp', 'logs', 'web'],
      ['mcp', 'health'],
      ['mcp', 'list'],
      ['mcp', 'info', 'fs'],
      ['mcp', 'tools', 'fs'],
      ['mcp', 'call', 'fs', 'secret'],
      ['mcp', 'tools', 'web'],
      ['mcp', 'restart', 'fs', 'web', '--yes'],
      ['get'],
      ['describe', 'fs', 'web'],
      ['history', 'fs'],
    ];
    const said = await Promise.all(commands.map((command) => project.run(command, { cwd })));
    expect(said.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 9, 9, 0, 9, 0, 0, 0].with(2, said[2]?.code ?? -1));
    expect(said[1]?.stderr).toContain('${secret:two} is not looked up: what web prints of it is not masked');
    expect(await project.run(['mcp', 'stop', 'fs', 'web'], { cwd })).toExit(0);
    await project.run(['mcp', 'health'], { cwd });
    expect(await project.run(['mcp', 'start', 'fs', 'web', '--yes'], { cwd })).toExit(9);
    expect(times()).toBe(0);

    const trusted = await project.run(['mcp', 'start', 'fs', 'web', '--trust-record'], { cwd });
    expect(trusted, trusted.stderr).toExit(0);
    expect(times()).toBeGreaterThan(0);
  });

  test('a team that shares a key is not asked, and a server without secrets needs no acceptance', async () => {
    const project = newProject('shared-key');
    const ci = { ...env, LOOMS_RECORD_KEY: 'of-the-team', XDG_STATE_HOME: emptyFolder() };
    expect(await project.apply(`${asksForSecret('fs')}---\n${tinySpec({ name: 'plain' })}`, [], { env: ci })).toExit(0);
    const developer = { ...ci, XDG_STATE_HOME: emptyFolder() };
    expect(await project.run(['mcp', 'call', 'fs', 'secret'], { env: developer })).toExit(0);
    expect(await project.run(['mcp', 'call', 'plain', 'echo', 'text=a'], { env })).toExit(0);
    const other = { ...ci, LOOMS_RECORD_KEY: 'of-another' };
    expect(await project.run(['mcp', 'call', 'fs', 'secret'], { env: other })).toExit(9);
  });
});
