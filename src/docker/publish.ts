import { proxySettings } from '../image/proxies.ts';
import { isDigest } from '../model/container/image-ref.ts';
import { LoomsError } from '../model/errors.ts';
import type { ImageId } from '../model/ids.ts';
import type { ImagePublisher, Published, PublishedImage } from '../orchestrator/publish.ts';
import type { CallOptions } from '../orchestrator/session-host.ts';
import { label } from './model/labels.ts';
import type { Engine, ProgressSink } from './port.ts';

/** What a build on an engine needs beside the recipe. */
type PublisherSettings = {
  /** `looms/<version>`, for the label of what is built. */
  readonly managedBy: string;
  /** Where proxies of builds stand. */
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** A publisher that asks, builds and pushes by an engine, which it closes. */
export function imagePublisher(
  engine: Pick<Engine, 'registryHolds' | 'buildImage' | 'findImage' | 'pushImage' | 'close'>,
  { managedBy, environment }: PublisherSettings,
): ImagePublisher {
  const settings = { proxies: proxySettings(environment), labels: { [label.managedBy]: managedBy } };
  const imageHere = async (
    { here, there, recipe, mayPull }: PublishedImage,
    onProgress: ProgressSink,
    options: CallOptions,
  ): Promise<ImageId> => {
    if (recipe !== undefined) {
      return (await engine.buildImage(recipe, { ...settings, mayPull }, onProgress, options)).id;
    }
    const found = await engine.findImage(here, { ...options, mayLook: false });
    if (found === null) throw absent(there);
    return found.id;
  };
  /** The image at its registry, by the digest of before where that is still there; null: it is not, or nobody tells. */
  const lookFor = async ({ there, digest }: PublishedImage, options: CallOptions): Promise<Published | null> => {
    for (const ref of digest === undefined ? [there] : [`${there}@${digest}`, there]) {
      const said = await engine.registryHolds(ref, options);
      if (said.holds === 'image') return published('there', said.digest);
    }
    return null;
  };
  return {
    publish: async (image, onProgress, options = {}) => {
      const { there } = image;
      onProgress({ text: `asking the registry for ${there}` });
      const found = await lookFor(image, options);
      if (found !== null) return found;
      const id = await imageHere(image, onProgress, options);
      try {
        const digest = await engine.pushImage(id, there, onProgress, options);
        if (digest !== undefined) return published('pushed', digest);
        const said = await engine.registryHolds(there, options);
        return published('pushed', said.holds === 'image' ? said.digest : undefined);
      } catch (error) {
        // Another run may have pushed the same meanwhile, and taken the name away by which this one did.
        const other = options.signal?.aborted === true ? null : await lookFor(image, options).catch(() => null);
        if (other === null) throw error;
        return other;
      }
    },
    close: () => engine.close(),
  };
}

const published = (how: Published['how'], digest: string | undefined): Published =>
  digest !== undefined && isDigest(digest) ? { how, digest } : { how };

const absent = (there: string): LoomsError =>
  new LoomsError('image-not-found', `${there} is not at its registry, and what it was built from is not known here`, {
    hint: '`looms apply` with the spec file builds and pushes it; or choose a generation whose image is still there',
  });
