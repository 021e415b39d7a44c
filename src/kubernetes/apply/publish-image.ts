import type { Recipe } from '../../model/container/recipe.ts';
import { isFailure, withHint } from '../../model/errors.ts';
import type { StepNote, StepProgress } from '../../model/events.ts';
import { defined } from '../../model/values/defined.ts';
import type { Published } from '../../orchestrator/publish.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';

type PublishImage = Extract<KubeStep, { op: 'publish-image' }>;

/** What is said of how an image came to be at its registry, and of the digest that it has there. */
function noteOf({ how, digest }: Published, before: string | undefined): string {
  const done = how === 'there' ? 'its registry has it' : 'pushed to its registry';
  if (digest === undefined) return `${done}, and nothing told its digest: nodes find it by its name`;
  const short = digest.slice(0, 'sha256:'.length + 12);
  return before === undefined || before === digest
    ? `${done}: ${short}`
    : `${done}: ${short}, another build than pods had before, which is there no more`;
}

/**
 * Makes an image be at its registry. Where no engine is here that could ask for one that pods were made of before, or that
 * cannot be built anyway, its nodes will find out: where they cannot pull it, the gate fails and the old pods stay. With
 * the digest by which they pull it, where that is known. Throws what `ImagePublisher.publish` throws.
 */
export async function publishImage(
  { ref, there, digest, mayPull, wasPulled }: PublishImage,
  { ports, recipes }: { readonly ports: KubernetesPorts; readonly recipes: ReadonlyMap<string, Recipe> },
  onProgress: (progress: StepProgress) => void,
  options: CallOptions,
): Promise<StepNote & { readonly digest?: string }> {
  const recipe = recipes.get(ref);
  const image = { here: ref, there, mayPull, ...defined({ digest, recipe }) };
  try {
    const published = await ports.settings.images.publish(image, onProgress, options);
    return { note: noteOf(published, digest), ...defined({ digest: published.digest }) };
  } catch (error) {
    if (!isFailure(error, 'engine-unreachable')) throw error;
    if (recipe === undefined || wasPulled)
      return { note: `nobody here can ask for it: ${error.message}`, ...defined({ digest }) };
    throw withHint(
      error,
      `a Docker Engine here builds the image and pushes it to ${there}; without one, do that elsewhere and name it as base_image`,
    );
  }
}
