import type { DeclaredServer } from '../../model/desired.ts';
import { asStepId, type StepId } from '../../model/ids.ts';
import type { PlannedImage } from '../../model/plan.ts';
import type { Observed } from '../model/observed.ts';
import { imageOf } from '../objects/objects.ts';
import type { StepDraft } from './steps.ts';

type ImageInput = {
  readonly observed: Observed;
  /** Where pods pull images from that looms builds. */
  readonly registry: string | undefined;
  /** Images of which it is known what they are built from. */
  readonly buildable: ReadonlySet<string>;
};

type ImageWork = { readonly steps: readonly StepDraft[]; readonly images: readonly PlannedImage[] };

/** An image by its name here and at its registry; undefined for one that is pulled as it is. */
function publishedOf(server: DeclaredServer, { registry }: ImageInput) {
  if (server.image.kind !== 'built' || registry === undefined) return undefined;
  const there = imageOf(server, { registry });
  return { ref: server.image.ref, there, id: asStepId(`image:${there}`) };
}

/** What new pods of a server wait for; their image's step is planned by `planImages`. */
export const publishedBefore = (server: DeclaredServer, input: ImageInput): readonly StepId[] => {
  const published = publishedOf(server, input);
  return published === undefined ? [] : [published.id];
};

/** Whether pods of the project were made of an image before, so that it was at its registry once. */
const wasPulled = ({ servers }: Observed, there: string): boolean =>
  servers.some(({ generations }) =>
    generations.some(({ replicaSet }) => replicaSet.spec.template.spec.containers.some(({ image }) => image === there)),
  );

/** Steps that bring images to their registry, one for each image, however many of the servers have it. */
export function planImages(servers: readonly DeclaredServer[], input: ImageInput): ImageWork {
  const byStep = Map.groupBy(
    servers.flatMap((server) => {
      const published = publishedOf(server, input);
      return published === undefined ? [] : [{ ...published, spec: server.spec }];
    }),
    ({ id }) => id,
  );
  const work = [...byStep.values()].flatMap((users) => {
    const [first] = users;
    if (first === undefined) return [];
    const { id, ref, there } = first;
    const canBuild = input.buildable.has(ref);
    const step: StepDraft = {
      id,
      cause: { kind: 'support', why: 'pods pull it from there' },
      after: [],
      op: 'publish-image',
      ref,
      there,
      canBuild,
      mayPull: users.some(({ spec }) => spec.pullPolicy !== 'never'),
      wasPulled: wasPulled(input.observed, there),
    };
    return [{ step, ref, canBuild }];
  });
  const sorted = work.toSorted((a, b) => (a.ref < b.ref ? -1 : 1));
  return {
    steps: sorted.map(({ step }) => step),
    images: sorted.flatMap(({ ref, canBuild }) =>
      canBuild ? [{ ref, action: 'build' as const, why: `where ${input.registry} does not have it yet` }] : [],
    ),
  };
}
