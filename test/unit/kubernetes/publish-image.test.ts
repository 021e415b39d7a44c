import { describe, expect, it } from 'vitest';
import { publishImage } from '../../../src/kubernetes/apply/publish-image.ts';
import type { KubernetesPorts } from '../../../src/kubernetes/ports.ts';
import type { Recipe } from '../../../src/model/container/recipe.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asStepId } from '../../../src/model/ids.ts';
import type { ImagePublisher } from '../../../src/orchestrator/publish.ts';

const ref = 'looms/node:0';
const recipe = { ref } as Recipe;
const step = {
  id: asStepId('image:r.example/node:0'),
  text: '',
  cause: { kind: 'support', why: '' },
  after: [],
  op: 'publish-image',
  ref,
  there: 'r.example/node:0',
  canBuild: true,
  mayPull: true,
  wasPulled: false,
} as const;

const [now, then] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`] as const;

type Case = { readonly recipes?: readonly Recipe[]; readonly wasPulled?: boolean; readonly digest?: string };

const run = (publish: ImagePublisher['publish'], { recipes = [recipe], ...more }: Case = {}) =>
  publishImage(
    { ...step, ...more },
    {
      ports: { settings: { images: { publish, close: async () => {} } } } as unknown as KubernetesPorts,
      recipes: new Map(recipes.map((one) => [one.ref, one])),
    },
    () => {},
    {},
  );

describe('the step that brings an image to its registry', () => {
  const noEngine = async (): Promise<never> => {
    throw new LoomsError('engine-unreachable', 'no Docker Engine was found on this machine', { hint: 'start one' });
  };

  it('says what the registry had, and by which digest pods pull it', async () => {
    expect(await run(async () => ({ how: 'there', digest: now }))).toEqual({
      note: 'its registry has it: sha256:111111111111',
      digest: now,
    });
    expect(await run(async () => ({ how: 'pushed', digest: now }), { digest: now })).toEqual({
      note: 'pushed to its registry: sha256:111111111111',
      digest: now,
    });
    expect(await run(async () => ({ how: 'pushed' }))).toEqual({
      note: 'pushed to its registry, and nothing told its digest: nodes find it by its name',
    });
  });

  it('asks for the digest that pods had, and says where that is gone', async () => {
    const asked: unknown[] = [];
    const publish: ImagePublisher['publish'] = async ({ digest }) => {
      asked.push(digest);
      return { how: 'there', digest: now };
    };
    expect(await run(publish, { digest: then })).toEqual({
      note: 'its registry has it: sha256:111111111111, another build than pods had before, which is there no more',
      digest: now,
    });
    expect(asked).toEqual([then]);
  });

  it('fails without an engine where it has to be built, and says what that is for', async () => {
    await expect(run(noEngine)).rejects.toMatchObject({
      code: 'engine-unreachable',
      hint: expect.stringContaining('a Docker Engine here builds the image and pushes it to r.example/node:0'),
    });
  });

  it('goes on without one where pods had it, or nobody could build it: nodes find out', async () => {
    const note = 'nobody here can ask for it: no Docker Engine was found on this machine';
    expect(await run(noEngine, { wasPulled: true })).toEqual({ note });
    expect(await run(noEngine, { recipes: [] })).toEqual({ note });
    expect(await run(noEngine, { wasPulled: true, digest: then })).toEqual({ note, digest: then });
  });

  it('tells all else as it is', async () => {
    const refused = new LoomsError('registry-unauthorized', 'r.example refused to take it');
    const publish = async (): Promise<never> => {
      throw refused;
    };
    await expect(run(publish, { wasPulled: true })).rejects.toBe(refused);
  });
});
