import type { RecordedSpec } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import type { RecordMaker } from '../model/records.ts';
import type { Orchestrator, OrchestratorPorts } from '../orchestrator/port.ts';
import type { Cluster } from './port.ts';

export type KubernetesSettings = {
  readonly registry?: string;
  readonly relayImage: string;
  readonly records: {
    readonly read: (text: string) => RecordedSpec | undefined;
    readonly keyName: () => string | undefined;
    readonly sign: (text: string) => string | undefined;
    readonly makerOf: (text: string, signature: string) => RecordMaker;
  };
};

export function kubernetesOrchestrator(
  _cluster: Cluster,
  _needs: OrchestratorPorts,
  _settings: KubernetesSettings,
): Orchestrator {
  throw new LoomsError('not-implemented', 'placeholder');
}
