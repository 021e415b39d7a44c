import { expect, test } from 'vitest';
import { asImageId } from '../../../../src/model/ids.ts';
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

test.each([
  { stays: false, means: 'is removed' },
  { stays: true, means: 'is not, and that is told' },
])('an image of which the engine misses a part meanwhile $means', async ({ stays }) => {
  const id = asImageId(`sha256:${'a'.repeat(64)}`);
  const ref = `looms/python:${'b'.repeat(32)}`;
  const image = { Id: id, RepoTags: [ref], Config: { Labels: { 'looms.managed-by': 'looms/1' } } };
  let isThere = true;
  await using one = await answeringEngine(({ method }) => {
    if (method !== 'DELETE') return isThere ? image : undefined;
    isThere = stays;
    return { refusedWith: 500, message: `unrecognized image ID sha256:${'c'.repeat(64)}` };
  });
  const removed = one.engine.removeBuiltImage(id, ref);
  if (stays) await expect(removed).rejects.toThrow('unrecognized image ID');
  else expect(await removed).toBe(true);
});
