import { expect, test } from 'vitest';
import type { Recipe } from '../../../../src/model/container/recipe.ts';
import { answeringEngine } from '../../../support/answering-engine.ts';

const recipe: Recipe = {
  ref: `looms/build:${'0'.repeat(32)}`,
  dockerfile: 'FROM debian\nRUN install\n',
  dockerfilePath: 'Dockerfile',
  files: [],
  base: 'debian',
  useBuildCache: true,
  provesShell: false,
};
const began = '2026-01-01T00:00:00Z';
const own = 'a1b2c3d4e5f6'.padEnd(64, '0');

/** Builds on an engine with these containers, where the command prints `output` and fails; what is removed then. */
async function removedAfter(output: string, containers: readonly { Id: string; Name: string; Created: string }[]) {
  const said = [
    { stream: 'Step 1/2 : FROM debian\n' },
    { stream: ' ---> 0123456789ab\n' },
    { stream: 'Step 2/2 : RUN install\n' },
    { stream: ` ---> Running in ${own.slice(0, 12)}\n` },
    { stream: output },
    { errorDetail: { code: 1, message: 'it returned a non-zero code: 1' }, error: 'it returned a non-zero code: 1' },
  ];
  await using one = await answeringEngine(
    ({ path }) => {
      if (path === '/build') return said.map((entry) => JSON.stringify(entry)).join('\n');
      if (path === '/images/debian/json') return { Id: `sha256:${'1'.repeat(64)}`, Created: '', Config: {} };
      const [, name] = /^\/containers\/([^/]+)\/json$/.exec(path) ?? [];
      if (name === undefined) return undefined;
      // As engines look one up: by its name, or by the beginning of its id.
      const found = containers.find(({ Id: id, Name: called }) => called === name || id.startsWith(name));
      return found && { ...found, State: {}, Config: {}, HostConfig: {} };
    },
    { systemTime: began },
  );
  const building = one.engine.buildImage(recipe, { proxies: {}, labels: {}, mayPull: false }, () => {});
  await expect(building).rejects.toMatchObject({ code: 'image-build-failed' });
  return one.asked.flatMap(({ method, path }) => (method === 'DELETE' ? [path] : []));
}

test('a build that failed takes along the container that its command ran in', async () => {
  const ran = { Id: own, Name: 'quirky_name', Created: '2026-01-01T00:00:01.5Z' };
  expect(await removedAfter('no such package\n', [ran])).toEqual([`/containers/${own}`]);
});

test.each([
  ['a name', 'db', { Id: 'f'.repeat(64), Name: 'db', Created: '2026-01-01T00:00:02Z' }],
  ['a name that could begin an id', 'cafe', { Id: 'f'.repeat(64), Name: 'cafe', Created: '2026-01-01T00:00:02Z' }],
  [
    'a name as long as an id is shown',
    'cafecafecafe',
    { Id: 'f'.repeat(64), Name: 'cafecafecafe', Created: '2026-01-01T00:00:02Z' },
  ],
  ['the beginning of an id', 'd', { Id: 'd'.repeat(64), Name: 'other', Created: '2026-01-01T00:00:02Z' }],
  [
    'the id of one that is older than the build',
    'd'.repeat(12),
    { Id: 'd'.repeat(64), Name: 'other', Created: '2025-12-31T23:59:59Z' },
  ],
])('what a command of a build prints has no container removed: %s', async (_, printed, other) => {
  expect(await removedAfter(`\n ---> Running in ${printed}\n`, [other])).toEqual([]);
});
