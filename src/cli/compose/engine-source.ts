import { homedir } from 'node:os';
import type { Ports } from '../../app/ports.ts';
import type { EnginePart } from '../../model/engine.ts';
import { messageOf } from '../../model/failure.ts';
import type { EngineAttempt, Orchestrator } from '../../orchestrator/port.ts';
import type { ProjectFile } from '../../spec/project-file.ts';
import type { Settings } from './composition.ts';
import { once } from './lazy.ts';

type EngineFlags = { readonly host?: string; readonly context?: string };

/** Flags win over the environment, and the environment over the project file (docs/spec.md, looms.yaml). */
function chooseEngine(
  { host, context, program: { environment } }: Settings,
  file: ProjectFile | undefined,
): EngineFlags {
  if (host !== undefined || context !== undefined) {
    return { ...(host === undefined ? {} : { host }), ...(context === undefined ? {} : { context }) };
  }
  const named = environment.DOCKER_HOST || environment.DOCKER_CONTEXT;
  return named ? {} : (file?.engine ?? {});
}

/** Where the engine is looked for, and the connection to it; neither is made before it is asked for. */
export function engineSource(
  settings: Settings,
  file: ProjectFile | undefined,
  ports: () => Omit<Ports, 'orchestrator'>,
) {
  const uid = process.getuid?.();
  const { environment, warm } = settings.program;
  const input = {
    environment,
    homeDirectory: environment.HOME || homedir(),
    platform: process.platform,
    ...chooseEngine(settings, file),
    ...(uid === undefined ? {} : { uid }),
  };
  // One look for all who ask: two could see two different engines.
  const look = once(
    async () => (await import('../../docker/engine/connection/discovery.ts')).discover(input),
    ({ endpoint }) => endpoint !== null,
  );
  let connected: Orchestrator | undefined;
  const connect = async (): Promise<Orchestrator> => {
    const [
      { requireEndpoint },
      { connectDocker },
      { dockerOrchestrator },
      { orchestratorPorts },
      { readRecordedSpec },
      { recordSigner },
    ] = await Promise.all([
      import('../../docker/engine/connection/discovery.ts'),
      import('../../docker/engine/engine.ts'),
      import('../../docker/orchestrator.ts'),
      import('../../app/apply/orchestrator-ports.ts'),
      import('../../spec/record/record.ts'),
      import('../../state/record-signer.ts'),
    ]);
    const engine = await connectDocker(requireEndpoint(await look(), input.platform), {
      records: { read: readRecordedSpec, ...recordSigner(environment) },
      environment,
    });
    connected = dockerOrchestrator(engine, orchestratorPorts(ports()));
    return connected;
  };
  const orchestrator = once(() => warm?.orchestrator() ?? connect());
  const engineAttempts = (): Promise<readonly EngineAttempt[]> =>
    look().then(
      ({ tried }) => tried,
      (error: unknown) => [{ origin: 'what was named', outcome: 'refused', detail: messageOf(error) }],
    );
  // Where what is named cannot be understood, that is said when the engine is asked for.
  const engineIsLocal = (): Promise<boolean> =>
    look().then(
      ({ endpoint }) => endpoint?.kind === 'socket',
      () => false,
    );
  const parts = once(
    async () => {
      const { engineFinder } = await import('../../docker/engine/connection/engine-sockets.ts');
      // Where what is named cannot be understood, which is said when the engine is asked for, the usual ones are known.
      const { endpoint } = await look().catch(() => ({ endpoint: null }));
      return { at: engineFinder(input, endpoint), endpoint };
    },
    ({ endpoint }) => endpoint !== null,
  );
  const engineAt = async (path: string): Promise<EnginePart | undefined> => (await parts()).at(path);
  const engineAddress = async (): Promise<string | undefined> => {
    const { endpoint } = await look();
    if (endpoint === null) return undefined;
    return (await import('../../docker/engine/connection/endpoint.ts')).endpointUrl(endpoint);
  };
  return {
    engineAddress,
    orchestrator,
    engineAttempts,
    engineIsLocal,
    engineAt,
    close: async () => connected?.close(),
  };
}
