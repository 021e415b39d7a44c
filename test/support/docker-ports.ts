import { orchestratorPorts } from '../../src/app/apply/orchestrator-ports.ts';
import type { Ports } from '../../src/app/ports.ts';
import { dockerOrchestrator } from '../../src/docker/orchestrator.ts';
import type { Engine } from '../../src/docker/port.ts';

/** Ports whose orchestrator is Docker's on an engine of the test's own, which has what the test needs. */
export function portsOn(engine: Partial<Engine>, ports: Partial<Ports>): Ports {
  const all = { environment: {}, managedBy: 'looms/0.0.0', ...ports } as Ports;
  return { ...all, orchestrator: async () => dockerOrchestrator(engine as Engine, orchestratorPorts(all)) };
}
