import { proxySettings } from '../image/proxies.ts';
import { LoomsError } from '../model/errors.ts';
import type { ImageId } from '../model/ids.ts';
import type { ImagePublisher, PublishedImage } from '../orchestrator/publish.ts';
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
  engine: Pick<Engine, 'registryHas' | 'buildImage' | 'findImage' | 'pushImage' | 'close'>,
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
  return {
    publish: async (image, onProgress, options = {}) => {
      const { there } = image;
      onProgress({ text: `asking the registry for ${there}` });
      if ((await engine.registryHas(there, options)) === true) return 'there';
      const id = await imageHere(image, onProgress, options);
      try {
        await engine.pushImage(id, there, onProgress, options);
        return 'pushed';
      } catch (error) {
        // Another run may have pushed the same meanwhile, and taken the name away by which this one did.
        const isThere =
          options.signal?.aborted !== true && (await engine.registryHas(there, options).catch(() => null));
        if (isThere === true) return 'there';
        throw error;
      }
    },
    close: () => engine.close(),
  };
}

const absent = (there: string): LoomsError =>
  new LoomsError('image-not-found', `${there} is not at its registry, and what it was built from is not known here`, {
    hint: '`looms apply` with the spec file builds and pushes it; or choose a generation whose image is still there',
  });
