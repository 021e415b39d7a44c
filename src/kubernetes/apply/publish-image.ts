import type { Recipe } from '../../model/container/recipe.ts';
import { isFailure, withHint } from '../../model/errors.ts';
import type { StepNote, StepProgress } from '../../model/events.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';

type PublishImage = Extract<KubeStep, { op: 'publish-image' }>;

const noteOf = { there: 'its registry has it', pushed: 'pushed to its registry' } as const;

/**
 * Makes an image be at its registry. Where no engine is here that could ask for one that pods were made of before, or that
 * cannot be built anyway, its nodes will find out: where they cannot pull it, the gate fails and the old pods stay. Throws
 * what `ImagePublisher.publish` throws.
 */
export async function publishImage(
  { ref, there, mayPull, wasPulled }: PublishImage,
  { ports, recipes }: { readonly ports: KubernetesPorts; readonly recipes: ReadonlyMap<string, Recipe> },
  onProgress: (progress: StepProgress) => void,
  options: CallOptions,
): Promise<StepNote> {
  const recipe = recipes.get(ref);
  const image = { here: ref, there, mayPull, ...(recipe === undefined ? {} : { recipe }) };
  try {
    return { note: noteOf[await ports.settings.images.publish(image, onProgress, options)] };
  } catch (error) {
    if (!isFailure(error, 'engine-unreachable')) throw error;
    if (recipe === undefined || wasPulled) return { note: `nobody here can ask for it: ${error.message}` };
    throw withHint(
      error,
      `a Docker Engine here builds the image and pushes it to ${there}; without one, do that elsewhere and name it as base_image`,
    );
  }
}
