import { homedir } from 'node:os';
import type { Ports } from '../../app/ports.ts';
import type { RecordedSpec } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { EngineAttempt, Orchestrator, OrchestratorPorts, SingleOrchestrator } from '../../orchestrator/port.ts';
import type { Program } from '../terminal/program.ts';
import type { KnownContexts } from './engine-choice.ts';

export type Environment = Program['environment'];

/** An engine that was looked for: what is known of it, and how it is connected to. */
export type EngineSource = {
  /** Where it was looked for, in order. */
  readonly attempts: readonly EngineAttempt[];
  /** What tells it from others; undefined where none was found. */
  readonly address: string | undefined;
  /** Whether this machine is its host. */
  readonly isLocal: boolean;
  readonly at: Ports['engineAt'];
  /** Throws `engine-unreachable` where none was found. */
  readonly connect: () => Promise<Orchestrator>;
};

/** A source of one engine, which can be one of several. */
export type SingleSource = Omit<EngineSource, 'connect'> & { readonly connect: () => Promise<SingleOrchestrator> };

export type SourceParts = {
  readonly environment: Environment;
  /** `engine.registry` of the project file. */
  readonly registry: string | undefined;
  readonly ports: () => Omit<Ports, 'orchestrator'>;
  /** What an orchestrator is given of this machine. */
  readonly needs: () => Promise<OrchestratorPorts>;
};

/** Where contexts of either kind are. */
export const contextPlace = (environment: Environment) => ({
  environment,
  homeDirectory: environment.HOME || homedir(),
});

/** What records on an engine are read and signed with. */
export async function recordParts(environment: Environment) {
  const [{ readRecordedSpec, specHash }, { recordSigner }] = await Promise.all([
    import('../../spec/record/record.ts'),
    import('../../state/record-signer.ts'),
  ]);
  return {
    read: readRecordedSpec,
    hash: ({ spec, image }: RecordedSpec) => specHash(spec, image),
    ...recordSigner(environment),
  };
}

/**
 * The contexts of both kinds. Throws `usage` where the one of Docker that is called `wanted` is broken; a kubeconfig that
 * cannot be read is told.
 */
export async function knownContexts(environment: Environment, wanted?: string): Promise<KnownContexts> {
  const place = contextPlace(environment);
  const docker = async () => {
    const [{ contextNames }, { configDirectory }] = await Promise.all([
      import('../../docker/engine/connection/contexts.ts'),
      import('../../docker/engine/connection/discovery.ts'),
    ]);
    return contextNames(configDirectory(place), wanted);
  };
  const ofKubeconfig = async (): Promise<Omit<KnownContexts, 'docker'>> => {
    const { contextsOf } = await import('../../kubernetes/client/find-cluster.ts');
    try {
      return { kubernetes: await contextsOf(place) };
    } catch (error) {
      if (!(error instanceof LoomsError)) throw error;
      return { kubernetes: [], unreadable: error };
    }
  };
  const [names, others] = await Promise.all([docker(), ofKubeconfig()]);
  return { docker: names, ...others };
}
