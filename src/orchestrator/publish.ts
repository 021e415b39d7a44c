import type { Recipe } from '../model/container/recipe.ts';
import type { StepProgress } from '../model/events.ts';
import type { CallOptions } from './session-host.ts';

/** An image that what runs elsewhere pulls, and what it is made of. */
export type PublishedImage = {
  /** Its name on the engine that builds it. */
  readonly here: string;
  /** Its name at its registry, with host and tag. */
  readonly there: string;
  /** What it was there before, by its digest: it is looked for first, as another build of the same recipe is another one. */
  readonly digest?: string | undefined;
  /** Absent: it was built before, and nobody knows of what any more. */
  readonly recipe?: Recipe;
  /** false: an image that the build starts from and that is absent here is `image-not-found`, not pulled. */
  readonly mayPull: boolean;
};

/** An image that is at its registry. */
export type Published = {
  /** `there`: the registry had it already, and nothing was built or pushed. */
  readonly how: 'there' | 'pushed';
  /** By which it is pulled and nothing else; absent: neither the registry nor the push told it. */
  readonly digest?: string;
};

/** Builds images for an orchestrator whose engine builds none, and brings them to the registry that it pulls from. */
export type ImagePublisher = {
  /**
   * Makes an image be at its registry: asks that first, and builds only what it does not have. Under one name there is one
   * content, so what is there is never replaced. Throws `engine-unreachable` where no engine is here that could ask, build or
   * push; `image-not-found` for one without a recipe that is neither there nor here; `registry-unauthorized`,
   * `image-push-failed`; what a build throws; `interrupted`.
   */
  publish(
    image: PublishedImage,
    onProgress: (progress: StepProgress) => void,
    options?: CallOptions,
  ): Promise<Published>;
  /** Ends connections that are kept alive. */
  close(): Promise<void>;
};
