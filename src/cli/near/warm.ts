import type { Duplex } from 'node:stream';
import type { SessionSource } from '../../mcp/client/session.ts';
import type { HealthKeeper } from '../../model/health.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { AuditTrail } from '../../model/trail/audit.ts';
import type { Tracing } from '../../model/trail/tracing.ts';
import type { Orchestrator } from '../../orchestrator/port.ts';

/** What a gateway has open, for the commands that it carries out for other programs of its user. */
export type Warm = {
  /**
   * Goes on with a command of this project, on the engine at this address; `engine` is undefined where none was found.
   * Throws where that is not what the gateway serves, before anything was done.
   */
  readonly admit: (command: { readonly project: ProjectName; readonly engine: string | undefined }) => Promise<void>;
  readonly orchestrator: () => Promise<Orchestrator>;
  readonly openSession: SessionSource;
  readonly tracing: () => Promise<Tracing>;
  readonly recordHealth: HealthKeeper['recordHealth'];
  /** The trail of this machine, as somebody's who masks the secrets that it knows. */
  readonly auditTrail: (
    who: { readonly user: string; readonly host: string; readonly pid: number },
    redact: (text: string) => string,
  ) => Promise<AuditTrail>;
};

/** What takes commands of other programs of the same user. */
export type NearCommands = {
  readonly take: (socket: Duplex, head: Buffer) => void;
  /** Has those that are under way end. */
  readonly stop: () => void;
};
