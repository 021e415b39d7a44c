import { expect, test } from 'vitest';
import { answeringEngine } from '../../../support/answering-engine.ts';

test('a container whose labels are none of a lock names no project that a run works on', async () => {
  const listed = (labels: Readonly<Record<string, string>>) => ({ Id: 'c'.repeat(64), ImageID: '', Labels: labels });
  const containers = [
    listed({ 'looms.role': 'lock', 'looms.project': 'shop' }),
    listed({ 'looms.role': 'lock', 'looms.project': 'a b/../../images' }),
    listed({ 'looms.role': 'lock' }),
    listed({ 'looms.role': 'relay', 'looms.project': 'bakery' }),
  ];
  await using one = await answeringEngine(({ path }) => (path === '/containers/json' ? containers : []));
  expect((await one.engine.builtImages()).locked).toEqual(['shop']);
});
