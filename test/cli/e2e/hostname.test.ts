import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs, tinySpec } from '../../support/tiny-server.ts';

const named = (spec: string, hostname: string): string => changed(spec, { backend: { hostname } });

describe.skipIf(withoutEngine())('docker_backend.hostname', () => {
  const project = testProject('hostname');
  // Two servers of one host name: none of them may be taken for the other.
  const yaml = specs(
    named(httpSpec('one', { volume: 'one' }), 'shared'),
    named(httpSpec('two', { volume: 'two' }), 'shared'),
    named(httpSpec('web'), 'Web-1.example'),
    tinySpec({ name: 'plain' }),
  );
  const config = async (server: string) => (await project.container(server).inspect()).Config;
  const call = async (server: string, tool: string): Promise<string> => {
    const { code, stdout, stderr } = await project.run(['mcp', 'call', server, tool]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim();
  };

  beforeAll(async () => {
    expect(await project.apply(yaml)).toExit(0);
  });
  afterAll(() => project.remove());

  test('is what the container calls itself, is recorded, printed and in sync; without it, it is the engine’s own', async () => {
    expect((await config('web')).Hostname).toBe('Web-1.example');
    expect(JSON.parse((await config('one')).Labels['looms.spec'] ?? '').spec.hostname).toBe('shared');
    expect((await project.run(['get', 'one', '-o', 'yaml'])).stdout).toContain('\n  hostname: shared\n');
    const plain = await project.container('plain').inspect();
    expect(plain.Config.Hostname).toBe(plain.Id.slice(0, 12));
    expect(plain.Config.Labels['looms.spec']).not.toContain('hostname');
    expect(await project.diff(yaml)).toMatchObject({ code: 0, plan: { steps: [], drift: [] } });
  });

  test('is not what a server is addressed by: servers that share one are still told apart', async () => {
    expect(await call('one', 'add')).toBe('1');
    expect(await call('two', 'count')).toBe('0');
    expect(await call('web', 'digest')).not.toBe('');
  });

  test('is a change of the spec, under its path, and both generations serve under it while one takes over', async () => {
    const moved = yaml.replace('Web-1.example', 'web');
    expect(changesAsText((await project.diff(moved)).plan)).toEqual([
      'web: replace start-first spec-changed(docker_backend.hostname)',
    ]);
    expect(await project.apply(moved)).toExit(0);
    expect((await config('web')).Hostname).toBe('web');
    expect(await project.diff(moved)).toExit(0);
    expect(await project.apply(yaml)).toExit(0);
  });

  test('is drift under its path when somebody makes the container anew with another one', async () => {
    const { Id: id, Name: name, Config: was, HostConfig: host } = await project.container('plain').inspect();
    await project.container('plain').remove({ force: true });
    const aliases = { [host.NetworkMode ?? '']: { Aliases: ['plain'] } };
    const made = await project.docker.createContainer({
      ...was,
      name: name.slice(1),
      Hostname: 'by-hand',
      HostConfig: host,
      NetworkingConfig: { EndpointsConfig: aliases },
    });
    await made.start();
    expect(made.id).not.toBe(id);
    const { plan } = await project.diff(yaml);
    expect(changesAsText(plan)).toEqual(['plain: replace start-first live-drift(docker_backend.hostname)']);
    expect(await project.apply(yaml)).toExit(0);
    expect(await project.diff(yaml)).toExit(0);
  });
});
