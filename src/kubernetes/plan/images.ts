import type { DeclaredServer } from '../../model/desired.ts';
import { asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import type { PlannedImage } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import { withDigest, withoutDigest } from '../model/image-digest.ts';
import { serverIn, timeOf } from '../model/objects.ts';
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

/** Generations of the project whose pods were made of an image, which was at its registry then; the newest last. */
const madeOf = ({ servers }: Observed, there: string): readonly Generation[] =>
  servers
    .flatMap(({ generations }) => generations)
    .filter(({ replicaSet }) => {
      const { image } = serverIn(replicaSet.spec.template.spec) ?? {};
      return image !== undefined && withoutDigest(image) === there;
    })
    .toSorted(
      (a, b) => timeOf(a.replicaSet.metadata.creationTimestamp) - timeOf(b.replicaSet.metadata.creationTimestamp),
    );

/** An image by its name here and at its registry, and by which digest it is wanted; undefined for one that is pulled as it is. */
function publishedOf(server: DeclaredServer, { registry, observed, pins }: ImageInput) {
  if (server.image.kind !== 'built' || registry === undefined) return undefined;
  const there = imageOf(server, { registry });
  const made = madeOf(observed, there);
  const digest = pins.get(server.spec.name) ?? made.flatMap(({ claim }) => claim.image?.digest ?? []).at(-1);
  const id = asStepId(`image:${digest === undefined ? there : withDigest(there, digest)}`);
  return { id, ref: server.image.ref, there, wasPulled: made.length > 0, ...defined({ digest }) };
}

/** What new pods of a server wait for; their image's step is planned by `planImages`. */
export const publishedBefore = (server: DeclaredServer, input: ImageInput): readonly StepId[] => {
  const published = publishedOf(server, input);
  return published === undefined ? [] : [published.id];
};

/**
 * Steps that bring images to their registry, one for each image, however many of the servers have it: two builds of one recipe
 * are two, where servers keep theirs.
 */
export function planImages(servers: readonly DeclaredServer[], input: ImageInput): ImageWork {
  const byStep = Map.groupBy(
    servers.flatMap((server) => {
      const image = publishedOf(server, input);
      return image === undefined ? [] : [{ image, spec: server.spec }];
    }),
    ({ image }) => image.id,
  );
  const work = [...byStep.values()].flatMap((users) => {
    const [first] = users;
    if (first === undefined) return [];
    const step: StepDraft = {
      ...first.image,
      cause: { kind: 'support', why: 'pods pull it from there' },
      after: [],
      op: 'publish-image',
      canBuild: input.buildable.has(first.image.ref),
      mayPull: users.some(({ spec }) => spec.pullPolicy !== 'never'),
    };
    return [step];
  });
  const steps = work.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const built = new Set(steps.flatMap((step) => (step.op === 'publish-image' && step.canBuild ? [step.ref] : [])));
  return {
    steps,
    images: [...built].map((ref) => ({ ref, action: 'build', why: `where ${input.registry} does not have it yet` })),
  };
}
