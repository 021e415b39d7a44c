import type { DeclaredServer } from '../../model/desired.ts';
import { asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import type { PlannedImage } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import { withoutDigest } from '../model/image-digest.ts';
import { serverContainer, timeOf } from '../model/objects.ts';
import type { Generation, Observed } from '../model/observed.ts';
import { imageOf } from '../objects/objects.ts';
import type { StepDraft } from './steps.ts';

type ImageInput = {
  readonly observed: Observed;
  /** Where pods pull images from that looms builds. */
  readonly registry: string | undefined;
  /** Images of which it is known what they are built from. */
  readonly buildable: ReadonlySet<string>;
  /** Digests that images of servers shall have, as they had them then. */
  readonly pins: ReadonlyMap<ServerName, string>;
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

/** Generations of the project whose pods were made of an image, which was at its registry then; the newest last. */
const madeOf = ({ servers }: Observed, there: string): readonly Generation[] =>
  servers
    .flatMap(({ generations }) => generations)
    .filter(({ replicaSet }) =>
      replicaSet.spec.template.spec.containers.some(
        ({ name, image }) => name === serverContainer && image !== undefined && withoutDigest(image) === there,
      ),
    )
    .toSorted(
      (a, b) => timeOf(a.replicaSet.metadata.creationTimestamp) - timeOf(b.replicaSet.metadata.creationTimestamp),
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
    const made = madeOf(input.observed, there);
    const pinned = users.flatMap(({ spec }) => input.pins.get(spec.name) ?? []);
    const known = made.flatMap(({ claim }) => claim.image?.digest ?? []);
    const digest = pinned[0] ?? known.at(-1);
    const step: StepDraft = {
      id,
      cause: { kind: 'support', why: 'pods pull it from there' },
      after: [],
      op: 'publish-image',
      ref,
      there,
      canBuild,
      mayPull: users.some(({ spec }) => spec.pullPolicy !== 'never'),
      wasPulled: made.length > 0,
      ...defined({ digest }),
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
