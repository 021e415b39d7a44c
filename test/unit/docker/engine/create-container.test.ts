import { expect, test } from 'vitest';
import { resolveShape } from '../../../../src/docker/model/resolve-shape.ts';
import { templateOf } from '../../../../src/docker/reconcile/server/container-template.ts';
import { answeringEngine } from '../../../support/answering-engine.ts';
import { image, project, server } from '../../../support/planner-world.ts';

test('an image that the engine has for another platform only is told in its own words', async () => {
  const said = 'image was found but does not match the specified platform';
  await using one = await answeringEngine(() => undefined, { notFound: said });
  const shape = resolveShape(templateOf(server('a').spec, project), image('example:1'));
  const request = { name: 'looms-test-a.g1', shape, ownLabels: {}, ownTargets: [] };
  await expect(one.engine.createContainer({ ...request, platform: 'linux/amd64' })).rejects.toMatchObject({
    code: 'image-not-found',
    message: expect.stringMatching(/is not on the engine for linux\/amd64$/),
    hint: expect.stringContaining('--platform linux/amd64'),
    detail: [expect.stringContaining(said)],
  });
  await expect(one.engine.createContainer(request)).rejects.toMatchObject({
    message: expect.stringMatching(/is not on the engine$/),
    hint: expect.stringContaining('run the command again'),
  });
});
