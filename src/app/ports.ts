import type { Files } from '../files/port.ts';
import type { SessionSource } from '../mcp/client/session.ts';
import type { AlertKeeper } from '../model/alerts.ts';
import type { EnginePart } from '../model/engine.ts';
import type { HealthKeeper } from '../model/health.ts';
import type { Notice } from '../model/notices.ts';
import type { SecretPrinter } from '../model/secrets/secret-prints.ts';
import type { AuditReader, AuditTrail } from '../model/trail/audit.ts';
import type { Findings } from '../model/trail/findings.ts';
import type { LogKeeper } from '../model/trail/kept-logs.ts';
import type { Tracing } from '../model/trail/tracing.ts';
import type { EngineAttempt, Orchestrator, OrchestratorPorts } from '../orchestrator/port.ts';
import type { SecretStore } from '../secrets/provider.ts';

/** A record of somebody else: that it asks for secrets, and in lines of their own what it says of itself; foreign text. */
export type TrustQuestion = { readonly what: string; readonly says: readonly string[] };

/** Everything with effects that a use case needs; made in one place by the command line, faked in tests. */
export type Ports = HealthKeeper &
  Pick<
    OrchestratorPorts,
    'countExecutions' | 'environment' | 'managedBy' | 'mask' | 'monotonicMs' | 'pause' | 'processIsAlive'
  > & {
    /** Connects on the first call; throws `engine-unreachable`. The same engine every time. */
    readonly orchestrator: () => Promise<Orchestrator>;
    /** Where an engine was looked for, in order, whether or not one was found. Does not throw. */
    readonly engineAttempts: () => Promise<readonly EngineAttempt[]>;
    /** Whether this machine is the engine's host, so that host paths of mounts can be looked at. Does not throw. */
    readonly engineIsLocal: () => Promise<boolean>;
    /** What of an engine a mount of this path (links followed) hands over, as far as known. Does not throw. */
    readonly engineAt: (path: string) => Promise<EnginePart | undefined>;
    readonly openSession: () => Promise<SessionSource>;
    readonly secrets: SecretStore;
    /** Looks secrets up anew from now on: for programs that outlive a change of one. */
    readonly forgetSecrets: () => void;
    readonly secretPrints: SecretPrinter;
    /** Whether servers whose records this machine did not make may have secrets; records go by their digests. */
    readonly trust: {
      /** What the key of records here is called, if there is one. Throws `ledger-unreadable` for an unusable one. */
      readonly keyName: () => Promise<string | undefined>;
      readonly isAccepted: (digest: string) => Promise<boolean>;
      /** Remembers it. One that cannot be written down counts for this run, and is warned of. */
      readonly accept: (digest: string) => Promise<void>;
      /** Whether all were accepted in advance (`--trust-record`); `ask` says yes then. */
      readonly acceptsAll: boolean;
      /** Shows what a record says and asks whether it may have its secrets. No where nobody can be asked. */
      readonly ask: (question: TrustQuestion) => Promise<boolean>;
    };
    /** Tells the user something while a command works; the same once. */
    readonly warn: (notice: Notice) => void;
    /** What was found out about servers here, by a key; one that cannot be used forgets. Never fails. */
    readonly findings: Findings;
    /** Alerts of projects, as the loops of this machine keep them. */
    readonly alerts: AlertKeeper;
    /** The trail of calls on this machine, which also counts them. */
    readonly audit: AuditTrail;
    readonly auditReader: AuditReader;
    /** Tells of calls and changes in spans, where somebody collects them. Does not throw. */
    readonly tracing: () => Promise<Tracing>;
    /** Logs of containers, kept on this machine. */
    readonly keptLogs: LogKeeper;
    readonly files: Files;
    /** Absolute. */
    readonly workingDirectory: string;
    readonly readStdin: () => Promise<string>;
    /** Milliseconds since 1970, of this machine's clock. */
    readonly now: () => number;
    /** Does this when the answer was told, before the program ends; what comes back takes it back. It must not throw. */
    readonly atEnd: (work: () => Promise<void>) => () => void;
    readonly whoAmI: OrchestratorPorts['whoAmI'] & {
      /** Whom a gateway does something for; absent: for the user. */
      readonly principal?: string;
    };
  };
