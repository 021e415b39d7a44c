import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import { changed, httpSpec } from '../../support/odd-servers.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { changesAsText, testProject } from '../../support/test-project.ts';
import { specs } from '../../support/tiny-server.ts';

const secret = 'quux-55102-over-http';
const env = { LOOMS_SECRET_E2E_HTTP: secret };
const digest = createHash('sha256').update(secret).digest('hex');

describe.skipIf(withoutEngine())('servers over HTTP', () => {
  const project = testProject('http');
  const token = httpSpec('token', { secret: 'e2e-http' });
  const kept = httpSpec('kept', { volume: 'kept' });
  const yaml = specs(token, kept);
  const outputs: string[] = [];
  const call = async (server: string, tool: string): Promise<string> => {
    const { code, stdout, stderr } = await project.run(['mcp', 'call', server, tool], { env });
    outputs.push(stdout, stderr);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim();
  };

  beforeAll(async () => {
    const { code, stdout, stderr } = await project.apply(yaml, ['--json'], { env });
    outputs.push(stdout, stderr);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  });
  afterAll(() => project.remove());

  test('are gated through a relay that is made with them, and are in sync then', async () => {
    expect(await project.names()).toEqual(['.relay', 'kept', 'token']);
    const { code, stdout } = await project.run(['diff', '-f', '-'], { stdin: yaml });
    expect({ code, stdout }).toExit(0);
  });

  test('get their secret, which shows nowhere on the engine, and keep it when the engine restarts them', async () => {
    expect(await call('token', 'digest')).toBe(digest);
    await project.container('token').restart({ t: 1 });
    expect(await call('token', 'digest')).toBe(digest);
    outputs.push((await project.run(['diff', '-f', '-', '--json'], { stdin: yaml })).stdout);
    expect(await placesThatTell(project.docker, project.name, secret)).toEqual([]);
    expect(outputs.filter((output) => output.includes(secret))).toEqual([]);
  });

  test('with a volume they write to are replaced stop-first, and find their data again', async () => {
    expect(await call('kept', 'add')).toBe('1');
    const bigger = changed(kept, { backend: { resource_limits: { memory_mb: 160 } } });
    const { plan } = await project.diff(specs(token, bigger));
    expect(changesAsText(plan)).toEqual([
      expect.stringMatching(/^kept: replace stop-first spec-changed\(.*memory.*\)$/i),
    ]);
    const shown = await project.run(['diff', '-f', '-'], { stdin: specs(token, bigger) });
    expect(shown.stdout).toMatch(/^-\/\+ +kept/m);
    expect(await project.apply(specs(token, bigger), [], { env })).toExit(0);
    expect(await call('kept', 'count')).toBe('1');
    expect(await project.names()).toEqual(['.relay', 'kept', 'token']);
  });

  test('that were stopped for a successor which fails are started again', async () => {
    const before = await project.idOf('kept');
    const broken = changed(kept, { args: ['-e', "console.error('no license'); process.exit(3)"], timeoutSeconds: 5 });
    const failed = await project.apply(specs(token, broken), [], { env });
    expect(failed.code).toBe(4);
    expect(failed.stdout).toContain('no license');
    expect(await project.idOf('kept')).toBe(before);
    expect(await call('kept', 'count')).toBe('1');
    expect(await project.names()).toEqual(['.relay', 'kept', 'token']);
  });

  test('without a volume are replaced with nobody noticing', async () => {
    const failures: unknown[] = [];
    let replacing = true;
    let calls = 0;
    const probe = async (): Promise<void> => {
      while (replacing) {
        const answer = await project.run(['mcp', 'call', 'token', 'digest'], { env });
        calls += 1;
        if (answer.code !== 0 || answer.stdout.trim() !== digest) failures.push(answer);
      }
    };
    const probes = [probe(), probe()];
    expect(await project.apply(specs(token, kept), ['--replace', 'token'], { env })).toExit(0);
    expect(await project.apply(specs(token, kept), ['--replace', 'token'], { env })).toExit(0);
    replacing = false;
    await Promise.all(probes);
    expect(failures).toEqual([]);
    expect(calls).toBeGreaterThan(2);
  });

  test('are repaired together with their relay, and take it with them when the last one goes', async () => {
    const relay = project.docker.getContainer(`looms-${project.name}.relay`);
    await relay.stop({ t: 0 });
    expect((await project.diff(yaml)).plan.support).toMatchObject([{ kind: 'relay', action: 'start' }]);
    expect(await project.apply(yaml, [], { env })).toExit(0);
    await relay.remove({ force: true });
    expect((await project.diff(yaml)).plan.support).toMatchObject([{ kind: 'relay', action: 'create' }]);
    expect(await project.apply(yaml, [], { env })).toExit(0);
    expect(await call('token', 'digest')).toBe(digest);
    expect(await project.run(['delete', 'token', '--yes'])).toExit(0);
    expect(await project.names()).toEqual(['.relay', 'kept']);
    const deleted = await project.run(['delete', 'kept', '--yes']);
    expect(deleted).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
    expect(await project.volumes()).toEqual([`looms-${project.name}-kept`]);
  });
});
