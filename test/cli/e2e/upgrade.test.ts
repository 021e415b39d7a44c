import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signedText } from '../../../src/docker/model/claims.ts';
import { recordSigner } from '../../../src/state/record-signer.ts';
import { type EarlierContainer, type EarlierVersion, earlierVersions } from '../../support/earlier-records.ts';
import { withoutEngine } from '../../support/images.ts';
import { emptyFolder, type Finished } from '../../support/looms.ts';
import { testProject } from '../../support/test-project.ts';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const calls = {
  clock: ['get_current_time', 'timezone=Etc/UTC'],
  dice: ['roll', 'sides=6'],
  everything: ['echo', 'message=made by an earlier version'],
  'everything-http': ['echo', 'message=made by an earlier version'],
  memory: ['read_graph'],
  notes: ['read_graph'],
  time: ['get_current_time', 'timezone=Etc/UTC'],
  words: ['count', 'text=three small words'],
};
/** All that need no secret and no folder of the machine, whose place is in the record. */
const files = [
  ...['http', 'memory', 'build-config', 'custom-dockerfile', 'quickstart', 'several', 'time'].flatMap((name) => [
    '-f',
    `${examples}${name}.yaml`,
  ]),
];

describe.skipIf(withoutEngine()).each(earlierVersions)('containers that looms $version made', (version) => {
  const project = testProject('upgrade');
  const env = { XDG_STATE_HOME: emptyFolder() };
  const run = (...args: readonly string[]): Promise<Finished> => project.run(args, { env });
  const chosen = version.containers.filter(
    ({ labels }) => labels['looms.role'] === 'relay' || Object.hasOwn(calls, labels['looms.server'] ?? ''),
  );

  /** As it was, in this test's project, of the image that the same recipe gives here, signed by the key of this test. */
  async function make(earlier: EarlierContainer, { project: before }: EarlierVersion): Promise<void> {
    const moved = JSON.stringify(earlier).replaceAll(`looms-${before}`, `looms-${project.name}`);
    const one: EarlierContainer = JSON.parse(moved);
    const { Id: image, Config } = await project.docker.getImage(one.labels['looms.image'] ?? '').inspect();
    // An image says of itself which Node or Python it holds, and that of today may hold a newer one.
    const ofImage = new Map(Config.Env.map((text) => [text.split('=', 1)[0], text]));
    const environment = one.config.Env?.map((text) => ofImage.get(text.split('=', 1)[0]) ?? text);
    const labels: Readonly<Record<string, string>> = {
      ...one.labels,
      'looms.project': project.name,
      'looms.image-id': image,
    };
    const signature = recordSigner(env).sign(signedText(labels, image));
    const { Aliases: _, ...config } = { Aliases: [], ...one.config, ...(environment && { Env: environment }) };
    const made = await project.docker.createContainer({
      ...(config as object),
      name: one.name,
      Image: image,
      Labels: { ...labels, ...(labels['looms.spec'] && signature ? { 'looms.signature': signature } : {}) },
      HostConfig: one.hostConfig as object,
      NetworkingConfig: { EndpointsConfig: one.networks as object },
    } as never);
    if (labels['looms.role'] !== 'history') await made.start();
  }

  beforeAll(async () => {
    // Images, networks and volumes are as they always were; the containers are those of the earlier version.
    expect(await run('apply', ...files, '--yes')).toExit(0);
    for (const { Id } of await project.docker.listContainers({
      all: true,
      filters: { label: [`looms.project=${project.name}`] },
    })) {
      await project.docker.getContainer(Id).remove({ force: true });
    }
    for (const one of chosen) await make(one, version);
  }, 300_000);
  afterAll(() => project.remove());

  test('are in sync: nothing is replaced because looms is newer', async () => {
    expect(chosen.length).toBe(12);
    const { code, stdout } = await run('diff', ...files);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('In sync: 8 servers run as declared'),
    });
  });

  test.each(Object.entries(calls))('%s answers', async (server, call) => {
    expect(await run('mcp', 'call', server, ...call)).toExit(0);
  });

  test('are printed as the files that they came from say', async () => {
    const { stdout } = await run('get', 'memory', '-o', 'yaml');
    expect(stdout).toContain('MEMORY_FILE_PATH: /memory/graph.jsonl');
    expect(stdout).not.toContain('hostname');
  });

  test('go back to a generation that the earlier version recorded, and forward again', async () => {
    expect(await run('rollback', 'memory', '--to', '2', '--yes')).toExit(0);
    expect((await run('get', 'memory', '-o', 'yaml')).stdout).toContain('description: a second generation');
    expect(await run('apply', ...files, '--yes')).toExit(0);
    expect(await run('diff', ...files)).toExit(0);
  });
});
