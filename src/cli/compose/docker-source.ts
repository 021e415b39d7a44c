import type { Ports } from '../../app/ports.ts';
import { isFailure, LoomsError, withHint } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { contextNotFound, type DockerWish } from './engine-choice.ts';
import { once } from './lazy.ts';
import {
  contextPlace,
  type Environment,
  knownContexts,
  recordParts,
  type SingleSource,
  type SourceParts,
} from './source-parts.ts';

/** Where a Docker Engine, or Podman, is looked for. */
export const placeOf = (environment: Environment, { host, context, file }: Omit<DockerWish, 'kind'>) => ({
  ...contextPlace(environment),
  platform: process.platform,
  ...defined({ host, context, file, uid: process.getuid?.() }),
});

/** What mounts hand over of engines of this machine, where the one that is meant cannot be told. */
export async function usualFinder(
  environment: Environment,
  wish: Omit<DockerWish, 'kind'>,
): Promise<Ports['engineAt']> {
  const { engineFinder } = await import('../../docker/engine/connection/engine-sockets.ts');
  return engineFinder(placeOf(environment, wish), null);
}

/** Looks for an engine. Throws what `discover` throws, `context-not-found` with the contexts of both kinds. */
export async function dockerSource(
  wish: DockerWish,
  { environment, ports, needs }: SourceParts,
): Promise<SingleSource> {
  const input = placeOf(environment, wish);
  const { discover, requireEndpoint } = await import('../../docker/engine/connection/discovery.ts');
  const found = await discover(input).catch(async (error: unknown) => {
    if (!isFailure(error, 'context-not-found')) throw error;
    const wanted = wish.context || environment.DOCKER_CONTEXT || wish.file?.context || '';
    throw contextNotFound(error.message, wanted, await knownContexts(environment));
  });
  const { endpoint, tried } = found;
  const finder = once(async () =>
    (await import('../../docker/engine/connection/engine-sockets.ts')).engineFinder(input, endpoint),
  );
  const connect: SingleSource['connect'] = async () => {
    const there = await requiredOrClusters(() => requireEndpoint(found, input.platform), environment);
    warnOfUntaken(wish, environment, ports().warn);
    const [{ connectDocker }, { dockerOrchestrator }, given, records] = await Promise.all([
      import('../../docker/engine/engine.ts'),
      import('../../docker/orchestrator.ts'),
      needs(),
      recordParts(environment),
    ]);
    return dockerOrchestrator(await connectDocker(there, { records, environment }), given);
  };
  const url = async () => (await import('../../docker/engine/connection/endpoint.ts')).endpointUrl;
  return {
    attempts: tried,
    address: endpoint === null ? undefined : (await url())(endpoint),
    isLocal: endpoint?.kind === 'socket',
    at: async (path) => (await finder())(path),
    connect,
  };
}

/** Who has no Docker and a kubeconfig may have meant a cluster, which nothing chooses by itself. */
async function requiredOrClusters<T>(required: () => T, environment: Environment): Promise<T> {
  try {
    return required();
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    const [first, ...others] = (await knownContexts(environment)).kubernetes;
    if (first === undefined) throw error;
    const clusters = `kubeconfig has ${others.length === 0 ? 'the context' : 'contexts'} ${[first, ...others].join(', ')}; name one: --context kubernetes:${first}`;
    throw withHint(error, error.hint, [...error.detail, clusters]);
  }
}

/** The environment of a shell was often set for something else than this project. */
function warnOfUntaken({ insteadOf }: DockerWish, environment: Environment, warn: Ports['warn']): void {
  if (insteadOf === undefined) return;
  const variable = environment.DOCKER_HOST ? 'DOCKER_HOST' : 'DOCKER_CONTEXT';
  warn({
    code: 'engine-not-taken',
    message: `${variable} names the engine, and not the cluster of ${insteadOf.at}: unset it, or say --context ${insteadOf.context}`,
  });
}
