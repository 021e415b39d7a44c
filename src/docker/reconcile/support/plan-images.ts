import type { DeclaredServer } from '../../../model/desired.ts';
import { asStepId, type StepId } from '../../../model/ids.ts';
import { defined } from '../../../model/values/defined.ts';
import { isRunning } from '../../model/generations.ts';
import type { Observed } from '../../model/observed.ts';
import type { StepDraft } from '../../steps.ts';
import type { Decision } from '../server/decide-server.ts';
import { supportStep } from '../step-builders.ts';

/** The steps that make images available, and which of them a container of an image waits for. */
type ImageWork = { readonly steps: readonly StepDraft[]; readonly stepFor: (ref: string) => readonly StepId[] };

/** A server of which a container will be made, and by which decision. */
type Making = { readonly server: DeclaredServer; readonly decision: Decision };

/**
 * Whether a container that runs is replaced for an image of the registry alone: with the local image the new one would be as the
 * old one is, and be replaced again by the next plan.
 */
const onlyForNewer = ({ server, decision }: Making, { images }: Observed): boolean =>
  decision.kind === 'replace' &&
  isRunning(decision.old) &&
  decision.reasons.every(({ kind }) => kind === 'image-changed') &&
  decision.old.shape.imageId === images[server.image.ref]?.id;

/** Other names of architectures in platforms (https://github.com/containerd/platforms/blob/main/database.go). */
const usualNames: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  i386: '386',
};

const usualName = (architecture: string): string => usualNames[architecture] ?? architecture;

/**
 * The architecture of a local image that the platform of a server is not of; undefined where it may be, and where another
 * server wants the name for another platform: a pull for the one would take it from the other, again and again.
 */
function otherArchitecture(
  { image: { ref }, spec: { platform } }: DeclaredServer,
  desired: readonly DeclaredServer[],
  { images }: Observed,
): string | undefined {
  const { architecture = '' } = images[ref] ?? {};
  const [, wanted] = platform?.split('/') ?? [];
  if (architecture === '' || wanted === undefined || usualName(architecture) === usualName(wanted)) return undefined;
  return desired.every((one) => one.image.ref !== ref || one.spec.platform === platform) ? architecture : undefined;
}

/** Pulls and builds for the containers that will be made, once for each reference. */
export function planImages(
  makings: readonly Making[],
  desired: readonly DeclaredServer[],
  supportImages: readonly string[],
  observed: Observed,
): ImageWork {
  const steps = new Map<string, StepDraft>();
  const absent = (ref: string): boolean => !observed.images[ref];
  const pull = (ref: string, platform?: string, fallbackToLocal = false, why = 'it is not on the engine'): StepId => {
    const operation = { op: 'pull-image', ref, fallbackToLocal, ...defined({ platform }) } as const;
    const step = supportStep(`image:${ref}`, why, operation);
    steps.set(ref, step);
    return step.id;
  };
  const isOfUse = (local: string): boolean =>
    makings.some((one) => one.server.image.ref === local && !onlyForNewer(one, observed));
  for (const { server } of makings) {
    const { image, spec } = server;
    if (image.kind === 'pulled') {
      const other = spec.pullPolicy === 'never' ? undefined : otherArchitecture(server, desired, observed);
      if (absent(image.ref)) pull(image.ref, spec.platform);
      else if (other !== undefined)
        pull(image.ref, spec.platform, isOfUse(image.ref), `the one on the engine is for ${other}`);
      else if (observed.registry[image.ref]?.answer === 'newer')
        pull(image.ref, spec.platform, isOfUse(image.ref), 'the registry has a newer one');
      continue;
    }
    if (!absent(image.ref)) continue;
    const needsBase = image.base !== undefined && absent(image.base) && spec.pullPolicy !== 'never';
    const base = needsBase && image.base !== undefined ? [pull(image.base, spec.platform)] : [];
    const mayPull = spec.pullPolicy !== 'never';
    const operation = { op: 'build-image', ref: image.ref, mayPull, ...defined({ platform: spec.platform }) } as const;
    steps.set(image.ref, supportStep(`image:${image.ref}`, 'its recipe has not been built here', operation, base));
  }
  for (const ref of supportImages) if (absent(ref)) pull(ref);
  return {
    steps: [...steps.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    stepFor: (ref) => (steps.has(ref) ? [asStepId(`image:${ref}`)] : []),
  };
}

/**
 * Takes an image away again that is built for a server whose first generation does not pass its gate: nothing is made of
 * it then. One that was there before, that another server wants, or that something is made of, stays.
 */
export function withoutFailedImages(
  created: readonly DeclaredServer[],
  desired: readonly DeclaredServer[],
  { containers, history, images }: Observed,
  work: readonly StepDraft[],
): StepDraft[] {
  const discards = new Map(
    work
      .filter((step) => step.onFailureOf !== undefined && step.op === 'remove-container')
      .reverse()
      .map((step) => [step.server, step]),
  );
  return created.flatMap(({ spec: { name }, image: { kind, ref } }): StepDraft[] => {
    if (kind !== 'built') return [];
    const discard = discards.get(name);
    const isWanted = desired.some((one) => one.spec.name !== name && one.image.ref === ref);
    const isUsed = [...containers, ...history].some((one) => one.imageRef === ref);
    const wasThere = (images[ref] ?? null) !== null;
    if (discard?.onFailureOf === undefined || isWanted || isUsed || wasThere) return [];
    const why = `${name} did not pass its gate`;
    const removal = supportStep(`image:${ref}/discard`, why, { op: 'remove-image', ref }, [discard.id]);
    return [{ ...removal, onFailureOf: discard.onFailureOf, failuresOnly: true }];
  });
}

/** An image that in the end nobody waits for (its server is blocked, its relay is there) is neither pulled nor built. */
export function withNeededImages(images: readonly StepDraft[], others: readonly StepDraft[]): StepDraft[] {
  if (images.length === 0) return [...others];
  const ids = new Set(images.map(({ id }) => id));
  const needed = new Set<StepId>();
  for (const { after } of others) for (const id of after) if (ids.has(id)) needed.add(id);
  for (const image of images) if (needed.has(image.id)) for (const base of image.after) needed.add(base);
  return [...images.filter((image) => needed.has(image.id)), ...others];
}
