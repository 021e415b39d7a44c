import type { OrchestratorPorts } from '../orchestrator/port.ts';
import type { Engine } from './port.ts';

/** The engine, and what an orchestrator is given of this machine. */
export type DockerPorts = OrchestratorPorts & { readonly engine: Engine };
