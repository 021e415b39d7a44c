import type { Ports } from '../../app/ports.ts';
import { failureOf } from '../../model/failure.ts';
import type { EngineAttempt, Orchestrator } from '../../orchestrator/port.ts';
import type { ProjectFile } from '../../spec/project-file.ts';
import type { Settings } from './composition.ts';
import { type ClusterWish, type DockerWish, kindOfContext, type OpenWish, wishOf } from './engine-choice.ts';
import { once } from './lazy.ts';
import { singleSource } from './single-source.ts';
import { type EngineSource, knownContexts, type SourceParts } from './source-parts.ts';

/** What a context is that only its name tells of. Throws what `kindOfContext` throws. */
async function wishByName(
  { context, asDocker, asCluster }: OpenWish,
  { environment, ports }: SourceParts,
): Promise<DockerWish | ClusterWish> {
  const known = await knownContexts(environment, context);
  const kind = kindOfContext(context, known);
  if (known.unreadable !== undefined) {
    ports().warn({
      code: 'kubeconfig-unreadable',
      message: `${context} is taken for the context of Docker: kubeconfig cannot be read (${known.unreadable.message}); --context docker:${context} says so`,
    });
  }
  return kind === 'docker' ? asDocker : asCluster;
}

/** Where the engine is looked for, and the connection to it; neither is made before it is asked for. */
export function engineSource(
  settings: Pick<Settings, 'host' | 'context' | 'program'>,
  file: ProjectFile | undefined,
  ports: () => Omit<Ports, 'orchestrator'>,
) {
  const { environment, warm } = settings.program;
  const parts: SourceParts = {
    environment,
    registry: file?.registry,
    ports,
    needs: async () => (await import('../../app/apply/orchestrator-ports.ts')).orchestratorPorts(ports()),
  };
  const { host, context } = settings;
  const wish = () => wishOf(settings, file?.engine);
  const find = async (): Promise<EngineSource> => {
    if (file?.engines !== undefined && host === undefined && context === undefined) {
      return (await import('./several-source.ts')).severalSource(file.engines, parts);
    }
    const wanted = wish();
    return singleSource(wanted.kind === 'either' ? await wishByName(wanted, parts) : wanted, parts);
  };
  // One look for all who ask: two could see two different engines.
  const look = once(find, ({ address }) => address !== undefined);
  let connected: Orchestrator | undefined;
  const connect = async (): Promise<Orchestrator> => {
    connected = await (await look()).connect();
    return connected;
  };
  const orchestrator = once(() => warm?.orchestrator() ?? connect());
  const engineAttempts = (): Promise<readonly EngineAttempt[]> =>
    look().then(
      ({ attempts }) => attempts,
      (error: unknown) => {
        const { message, detail } = failureOf(error);
        return [{ origin: 'what was named', outcome: 'refused', detail: [message, ...detail].join('; ') }];
      },
    );
  // Where what is named cannot be understood, that is said when the engine is asked for.
  const engineIsLocal = (): Promise<boolean> =>
    look().then(
      ({ isLocal }) => isLocal,
      () => false,
    );
  // Until then the usual ones are known, where it is no cluster that was named.
  const withoutLook = once(async (): Promise<Ports['engineAt']> => {
    const wanted = await Promise.resolve()
      .then(wish)
      .catch(() => undefined);
    if (wanted?.kind === 'kubernetes') return async () => undefined;
    const docker = wanted?.kind === 'docker' ? wanted : {};
    return (await import('./docker-source.ts')).usualFinder(environment, docker);
  });
  const engineAt: Ports['engineAt'] = async (path) => {
    const found = await look().catch(() => undefined);
    return (found?.at ?? (await withoutLook()))(path);
  };
  return {
    engineAddress: async (): Promise<string | undefined> => (await look()).address,
    orchestrator,
    engineAttempts,
    engineIsLocal,
    engineAt,
    close: async () => connected?.close(),
  };
}
