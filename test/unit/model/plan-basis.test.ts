import { expect, test } from 'vitest';
import { basisOf, withWarnings } from '../../../src/model/plan/plan-basis.ts';
import { emptyEngine, plan, server } from '../../support/planner-world.ts';

test('a plan has its basis made when somebody asks for it, also with other warnings', () => {
  const made = plan([server('a')], emptyEngine({}));
  const warned = withWarnings(made, [{ code: 'old-image', message: 'x' } as never]);
  for (const one of [made, warned]) expect(Object.getOwnPropertyDescriptor(one, 'basis')?.get).toBeTypeOf('function');
  expect(warned.basis).toBe(basisOf(made));
  expect(JSON.parse(JSON.stringify(warned))).toEqual({
    ...JSON.parse(JSON.stringify(made)),
    warnings: [{ code: 'old-image', message: 'x' }],
  });
});
