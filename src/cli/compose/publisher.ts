import type { ImagePublisher } from '../../orchestrator/publish.ts';
import { placeOf } from './docker-source.ts';
import { once } from './lazy.ts';
import { type Environment, recordParts } from './source-parts.ts';

/**
 * Builds and pushes images by the Docker Engine that this machine would use where nothing names a cluster. It is looked for,
 * and anything of it loaded, when the first image is published; one that is not there then is looked for again.
 */
export function publisherHere(environment: Environment, managedBy: string): ImagePublisher {
  let opened: ImagePublisher | undefined;
  const publisher = once(async () => {
    const [{ discoverEndpoint }, { connectDocker }, { imagePublisher }, records] = await Promise.all([
      import('../../docker/engine/connection/discovery.ts'),
      import('../../docker/engine/engine.ts'),
      import('../../docker/publish.ts'),
      recordParts(environment),
    ]);
    const { endpoint } = await discoverEndpoint(placeOf(environment, {}));
    const engine = await connectDocker(endpoint, { records, environment });
    opened = imagePublisher(engine, { managedBy, environment });
    return opened;
  });
  return {
    publish: async (...request) => (await publisher()).publish(...request),
    close: async () => opened?.close(),
  };
}
