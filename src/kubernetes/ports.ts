import type { OrchestratorPorts } from '../orchestrator/port.ts';
import type { ImagePublisher } from '../orchestrator/publish.ts';
import type { SessionHost } from '../orchestrator/session-host.ts';
import type { RecordReader } from './model/claims.ts';
import type { Cluster } from './port.ts';

export type KubernetesSettings = {
  /** Where images that are built are pulled from: host and folder, without a slash at the end. */
  readonly registry?: string | undefined;
  /** What builds them and brings them there: a cluster builds none. */
  readonly images: ImagePublisher;
  /** The image that servers over HTTP are reached through: with a shell and Perl. */
  readonly relayImage: string;
  readonly records: RecordReader;
};

/** The cluster, what talks to its pods, and what an orchestrator is given of this machine. */
export type KubernetesPorts = OrchestratorPorts & {
  readonly cluster: Cluster;
  readonly sessions: SessionHost;
  readonly settings: KubernetesSettings;
};
