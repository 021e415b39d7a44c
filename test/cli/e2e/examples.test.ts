import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEngine } from '../../support/images.ts';
import type { Finished } from '../../support/looms.ts';
import { placesThatTell } from '../../support/secret-search.ts';
import { testProject } from '../../support/test-project.ts';

const examples = fileURLToPath(new URL('../../../examples', import.meta.url));

/** Every server of the examples that runs, with a call that makes sense without an account or a database. */
const calls: Readonly<Record<string, { call: readonly string[]; answer: RegExp }>> = {
  clock: {
    call: ['convert_time', 'source_timezone=Etc/UTC', 'time=12:00', 'target_timezone=Asia/Tokyo'],
    answer: /21:00/,
  },
  dice: { call: ['roll', 'sides=2'], answer: /^[12]\n$/ },
  everything: { call: ['get-sum', 'a=2', 'b=40'], answer: /42/ },
  'everything-http': { call: ['echo', 'message=through the relay'], answer: /through the relay/ },
  fs: { call: ['read_text_file', 'path=/data/cities.csv'], answer: /,/ },
  notes: { call: ['read_graph'], answer: /entities/ },
  time: { call: ['get_current_time', 'timezone=Etc/UTC'], answer: /UTC/ },
  words: { call: ['count', 'text=three small words'], answer: /^3\n$/ },
};
/** Servers whose calls need what a test does not have; that they list their tools is what is looked at. */
const toolCounts: Readonly<Record<string, number>> = { teradata: 47 };

const secrets = {
  LOOMS_SECRET_TERADATA_URI: 'teradata://dbc:quux-81723-tera@vantage.invalid:1025/dbc',
  LOOMS_SECRET_POSTGRES_URI: 'postgresql://app:quux-81723-post@db.invalid:5432/app',
  LOOMS_SECRET_GITHUB_TOKEN: 'ghp_quux81723github',
};

describe.skipIf(withoutEngine())('the examples', () => {
  const project = testProject('examples');
  const outputs: string[] = [];
  const run = async (...args: readonly string[]): Promise<Finished> => {
    const finished = await project.run(args, { env: secrets });
    outputs.push(finished.stdout, finished.stderr);
    return finished;
  };
  let applied: Finished;

  beforeAll(async () => {
    applied = await run('apply', '-f', examples, '--yes', '--json');
  }, 600_000);
  afterAll(() => project.remove());

  test('are valid, each file by itself and all together', async () => {
    expect(await project.run(['validate', '-f', examples])).toMatchObject({ code: 0, stderr: '' });
  });

  test('are applied in one go: every server that is enabled passed its gate', async () => {
    const value = JSON.parse(applied.stdout) as {
      servers: readonly { server: string; outcome: string; failure?: unknown }[];
    };
    expect(value.servers.filter(({ outcome }) => outcome !== 'done')).toEqual([
      { server: 'spare', outcome: 'unchanged' },
    ]);
    const names = [...Object.keys(calls), ...Object.keys(toolCounts), 'github', 'memory', 'postgres', 'spare'].sort();
    expect(value.servers.map(({ server }) => server)).toEqual(names);
    expect(applied.code).toBe(0);
  });

  test('are in sync once they were applied', async () => {
    expect(await run('diff', '-f', examples)).toExit(0);
  });

  test('answer a call of one of their tools', async () => {
    for (const [server, { call, answer }] of Object.entries(calls)) {
      const { code, stdout, stderr } = await run('mcp', 'call', server, ...call);
      expect({ server, code, stderr }).toEqual({ server, code: 0, stderr: '' });
      expect(stdout).toMatch(answer);
    }
  });

  test('keep what was written to a named volume when the server is replaced', async () => {
    const entity = { name: 'loom', entityType: 'machine', observations: ['weaves'] };
    const args = JSON.stringify({ entities: [entity] });
    expect(await run('mcp', 'call', 'memory', 'create_entities', args)).toExit(0);
    const before = await project.idOf('memory');
    expect(await run('apply', '-f', `${examples}/memory.yaml`, '--replace', 'memory', '--yes')).toExit(0);
    expect(await project.idOf('memory')).not.toBe(before);
    expect((await run('mcp', 'call', 'memory', 'read_graph')).stdout).toContain('weaves');
  });

  test('hide from the server of files what its filter excludes, and do not call it either', async () => {
    const { stdout } = await run('mcp', 'tools', 'fs', '--json');
    const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
    expect(names).toContain('read_text_file');
    expect(names).not.toContain('write_file');
    expect(await run('mcp', 'call', 'fs', 'write_file', 'path=/data/x', 'content=x')).toExit(66);
  });

  test.each(Object.entries(toolCounts))('list the tools of %s without its database: %i', async (server, count) => {
    const { code, stdout } = await run('mcp', 'tools', server, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(count);
  });

  test('say in one message what to set when a server cannot reach its database (5)', async () => {
    const { code, stdout, stderr } = await run('mcp', 'call', 'teradata', 'base_databaseList');
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
    expect(stderr).toContain('Hostname lookup failed for vantage.invalid');
    expect(stderr).toContain('hint: vantage.invalid cannot be reached: the server reaches');
    expect(stderr).toContain('docker_backend.network.egress');
    expect(stderr).toContain('`looms config set-key teradata_uri`');
    expect(stderr.split('\n').length).toBeLessThan(12);
  });

  test.each(Object.keys(calls))('run %s under the default hardening', async (server) => {
    const { Config, HostConfig } = await project.container(server).inspect();
    expect({
      user: Config.User,
      readOnly: HostConfig.ReadonlyRootfs,
      capDrop: HostConfig.CapDrop,
      capAdd: HostConfig.CapAdd ?? [],
      security: HostConfig.SecurityOpt,
      swap: (HostConfig.MemorySwap ?? 0) - (HostConfig.Memory ?? 0),
    }).toEqual({
      user: '1000:1000',
      readOnly: true,
      capDrop: ['ALL'],
      capAdd: [],
      security: [expect.stringMatching(/^no-new-privileges/)],
      swap: 0,
    });
    expect(HostConfig.Memory).toBeGreaterThan(0);
    expect(HostConfig.PidsLimit).toBeGreaterThan(0);
  });

  test('leave no secret behind: not in a container, an image, a log, a plan or anything that was printed', async () => {
    outputs.push(
      (await project.run(['get', '-o', 'yaml'])).stdout,
      (await project.run(['describe', 'teradata'])).stdout,
    );
    for (const value of Object.values(secrets)) {
      expect(await placesThatTell(project.docker, project.name, value)).toEqual([]);
      expect(outputs.filter((output) => output.includes(value))).toEqual([]);
    }
  });

  test('say once more that they are in sync after all of that, and go with their networks but without their volumes', async () => {
    expect(await run('diff', '-f', examples)).toExit(0);
    const deleted = await run('delete', '--all', '--yes');
    expect(deleted).toExit(0);
    expect(await project.names()).toEqual([]);
    expect(await project.networksLeftBy(deleted)).toEqual([]);
    expect(await project.volumes()).toEqual([`looms-${project.name}-memory`, `looms-${project.name}-notes`]);
  });
});
