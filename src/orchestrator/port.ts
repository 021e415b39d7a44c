import type { Recipe } from '../model/container/recipe.ts';
import type { DeclaredServer, DesiredServer } from '../model/desired.ts';
import type { EngineDescription } from '../model/engine.ts';
import type { EngineEvent } from '../model/engine-events.ts';
import type { EventSink, Failure, StepResult } from '../model/events.ts';
import type { HealthFinding, HealthPlace, Unanswered } from '../model/health.ts';
import type { ContainerId, ProjectName, ServerName, StepId } from '../model/ids.ts';
import type { LockHolder } from '../model/lock.ts';
import type { Notice } from '../model/notices.ts';
import type { NonEmpty, Plan, PlanWarning } from '../model/plan.ts';
import type { ForeignRecord, UntrustedRecord } from '../model/records.ts';
import type { Scaling } from '../model/replicas.ts';
import type { SecretPrints } from '../model/secrets/secret-prints.ts';
import type {
  GenerationView,
  MadeFrom,
  Refused,
  RefusedServer,
  ServerContainer,
  ServerImage,
  ServerListing,
  ServerView,
  Serving,
} from '../model/server-view.ts';
import type { GenerationStep } from '../model/trail/audit.ts';
import type { LoggedContainer } from '../model/trail/kept-logs.ts';
import type { ContainerUsage } from '../model/trail/usage.ts';
import type { CallOptions, LogMoment, SessionHost } from './session-host.ts';

/** `atOnce`: how many containers are measured at once; absent: as many as are soonest done. */
export type UsageOptions = CallOptions & { readonly atOnce?: number };

/** One place where an engine was looked for, for `doctor`. */
export type EngineAttempt = {
  /** `--host`, `DOCKER_HOST`, `Colima socket` … */
  readonly origin: string;
  /** URL, where the place named one. */
  readonly url?: string;
  readonly outcome: 'chosen' | 'not-set' | 'absent' | 'refused' | 'not-needed';
  readonly detail: string;
};

export type ServingOptions = CallOptions & {
  readonly ended?: ContainerId | undefined;
  /** Of several that serve alike the one whose turn it is after this one. */
  readonly after?: ContainerId | undefined;
  readonly sessions?: ReadonlyMap<ContainerId, number> | undefined;
};

/** What becomes of servers on the engine that are not declared. */
export type Undesired = 'remove' | 'warn' | 'ignore';

/** What shall become of servers that are there. */
type Wish =
  /** To run as they are recorded. */
  | { readonly kind: 'start' }
  /** To run in new containers; the old ones serve until these have answered. */
  | { readonly kind: 'restart' }
  /** To be stopped and kept; `drainSeconds` instead of what their specs say. */
  | { readonly kind: 'stop'; readonly drainSeconds?: number };

type Kept = {
  readonly project: ProjectName;
  /** How many past generations of each server are kept; default 3. A cluster keeps as many as it does. */
  readonly keep?: number | undefined;
};

/** The servers of files, or of a saved plan. */
export type FilesIntent = Kept & {
  readonly kind: 'files';
  readonly servers: readonly DeclaredServer[];
  readonly recipes: ReadonlyMap<string, Recipe>;
  readonly undesired: Undesired;
  /** Servers that run on another engine from now on: what there is of them here is removed, whatever `undesired` says. */
  readonly movedAway?: readonly ServerName[] | undefined;
  /** Only these servers are looked at; absent: all. */
  readonly only?: readonly ServerName[] | undefined;
  readonly replace?: readonly ServerName[] | undefined;
  /** Servers that run and do not answer: they are replaced, but for those that serve from another container by now. */
  readonly unhealthy?: ReadonlyMap<ServerName, Unanswered>;
  readonly keepFailed?: boolean;
};

/** Servers that are on the engine, as their containers record them: no file is read. */
export type RecordedIntent = Kept & {
  readonly kind: 'recorded';
  readonly servers: readonly ServerName[];
  readonly wish: Wish;
  /** Absolute; stands for the folder of the files. */
  readonly directory: string;
};

/** The removal of servers by name, or of all of a project with what stands behind them. Named volumes stay: they are data. */
export type RemovalIntent = Kept & {
  readonly kind: 'removal';
  readonly servers: readonly ServerName[] | 'all';
  /** `keep`: files of `lifecycle.preserve` are kept first. `give-up`: what was kept earlier goes too. `leave`: it stays. */
  readonly data: 'keep' | 'give-up' | 'leave';
};

/** A server taken back to an earlier generation: its spec and its image as they were then. */
export type RollbackIntent = Kept & {
  readonly kind: 'rollback';
  readonly server: ServerName;
  /** Absent: the newest revision that served before this one, and that nobody has rolled back. */
  readonly to?: number | undefined;
  readonly keepFailed?: boolean;
  /** The container that the plan was made to leave: that another one serves by now makes it stale. */
  readonly leaving?: ContainerId;
};

/** What nothing uses any more. */
export type PruneIntent = {
  readonly kind: 'prune';
  readonly project: ProjectName;
  readonly volumes: boolean;
  readonly history: boolean;
};

/** The ways to ask for a plan. */
export type Intent = FilesIntent | RecordedIntent | RemovalIntent | RollbackIntent | PruneIntent;

/** A plan with what it was made from, and by what it is made again under the lock. */
export type Prepared = {
  /** As it was asked for, with what was open chosen: the servers that `all` meant, the generation that is gone back to. */
  readonly intent: Intent;
  readonly plan: Plan;
  /** What shall be: of files, of records, or of a past generation. */
  readonly servers: readonly DeclaredServer[];
  /** Records of others that it was made from; their servers get no secrets before somebody accepted them. */
  readonly untrusted: readonly UntrustedRecord[];
  /** Containers of servers that are there, whatever the plan does with them. */
  readonly records: readonly (MadeFrom & { readonly container: ContainerId; readonly runs: boolean })[];
  /** Servers whose gate it opens a session to; none is made without one, so these are the ones that are given secrets. */
  readonly gated: ReadonlySet<ServerName>;
  /** Servers of which a container is made. */
  readonly made: ReadonlySet<ServerName>;
  /** Which generation of each server that is changed is there, and which one is there after. */
  readonly generations: ReadonlyMap<ServerName, GenerationStep>;
};

/** What is known of the run that holds a lock. */
type LockState =
  /** The run gave no sign of life for a whole lifetime of the lock. */
  | 'expired'
  /** The run was one of this machine, and its process is gone. */
  | 'abandoned'
  | 'held';

export type FoundLock = { readonly holder: LockHolder; readonly state: LockState };

/** The lock of a project, for those who do not work under it. */
export type ProjectLock = {
  /** Who holds it; null when nobody does. Of several engines the lock whose id begins so, else the first. Changes nothing. */
  readonly look: (project: ProjectName, id?: string) => Promise<FoundLock | null>;
  /** Takes a lock away, by its id alone. The run that held it notices before it next takes something away. */
  readonly take: (lock: LockHolder) => Promise<void>;
};

/** The lock of a project on one engine, for those who work on another. */
export type HoldableLock = ProjectLock & {
  /**
   * Does something on other engines while nobody changes the project on this one, which has the project. Throws `lock-held`,
   * `interrupted` while it waits, and what the work throws.
   */
  readonly hold: <T>(project: ProjectName, options: LockWait, work: () => Promise<T>) => Promise<T>;
};

/** How a lock is waited for. */
export type LockWait = {
  readonly lockTimeoutMs: number;
  /** Ends the wait. */
  readonly stopSignal: AbortSignal;
  readonly onLockWait: (holder: LockHolder) => void;
};

export type ServerOutcome = {
  readonly server: ServerName;
  /** Did not answer MCP: `gate-failed` while what was before serves, `not-serving` when nothing does. */
  readonly outcome: 'done' | 'unchanged' | 'gate-failed' | 'not-serving' | 'failed' | 'blocked' | 'interrupted';
  readonly failure?: Failure;
  /** What its gate found: `13 tools in 620 ms`; where it failed before that, that the old generation still serves. */
  readonly note?: string;
};

export type ApplyReport = {
  readonly plan: Plan;
  readonly results: Readonly<Record<StepId, StepResult>>;
  readonly outcome:
    | 'done'
    | 'partly'
    | 'gate-failed'
    | 'not-serving'
    | 'failed'
    | 'blocked'
    | 'interrupted'
    | 'timed-out';
  readonly servers: readonly ServerOutcome[];
  /** Failures of what stands behind the servers: networks, images, relays. */
  readonly support: readonly { readonly step: StepId; readonly failure: Failure }[];
  readonly notices: readonly Notice[];
  /** Servers that answered their gate. */
  readonly healthy: readonly HealthFinding[];
};

/**
 * What steps of a server wait for that is done on another engine: they begin once it came about, and are left out where it
 * came to nothing. Absent: nothing.
 */
export type Awaited = (server: ServerName) => Promise<boolean> | undefined;

export type ApplyOptions = LockWait & {
  /** Steps that run at once; default: four for each of the engine's processors, at least 4 and at most 16. */
  readonly parallelism?: number;
  /** Bound of the run once it has the lock, ms; then nothing new starts and running calls are given up. */
  readonly timeoutMs?: number;
  /** Whether a plan made anew under the lock may differ from the one that was confirmed. */
  readonly acceptNewPlan: (plan: Plan) => boolean;
  /** Holds the plan made anew against all rules; throws when it breaks one, returns what they warn of. */
  readonly check: (again: Prepared) => Promise<readonly PlanWarning[]>;
  /** What steps of servers wait for on another engine. */
  readonly awaited?: Awaited | undefined;
  /** First interrupt: start nothing new, and wait for no lock. */
  readonly stopSignal: AbortSignal;
  /** Second interrupt, the grace after the first has passed, or time is up: give up what runs. */
  readonly abortSignal: AbortSignal;
  /** Second interrupt: not even what was stopped for something that was given up is started again. */
  readonly atOnceSignal: AbortSignal;
  readonly sink: EventSink;
};

/**
 * Who is told of servers that change; `onReady` when nothing is missed from now on, of several engines by each of them;
 * `onEvent` of each event as it is told.
 */
export type ServerWatch = {
  readonly onReady: () => void;
  readonly onChange: (server: ServerName) => void;
  readonly onEvent?: (event: EngineEvent) => void;
};

/** From which moment of the engine's on events are told, and whether also what comes. */
export type EventQuery = { readonly since: LogMoment; readonly follow: boolean };

/** What was seen of containers that may reach nothing. */
export type IsolationFinding = {
  /** Whether they are kept from one another; null: nothing was shown, as they did not reach one another before either. */
  readonly enforced: boolean | null;
  /** Whether one that may reach nothing reached the machine that it ran on; null: not tried. */
  readonly reachesNode: boolean | null;
  /** What was done and seen, for people. */
  readonly seen: string;
};

/** What of a project is listed. */
export type ListingOptions = CallOptions & {
  readonly names?: readonly ServerName[];
  /** Of several engines: how long the others are waited for once one has answered, ms; absent: for as long as they take. */
  readonly othersMs?: number;
};

/** Makes what is declared so, on one kind of engine. */
export type Orchestrator = {
  describe(options?: CallOptions): Promise<EngineDescription>;
  /**
   * Tries out what the engine leaves to others: whether isolated servers are kept in. Makes containers of its own, and takes
   * them away again; remembers nothing. Throws `engine-unsupported` where there is nothing to try, as the engine itself keeps
   * them in; what the engine throws where they cannot be made; `interrupted`.
   */
  tryIsolation(options?: CallOptions): Promise<IsolationFinding>;
  /** Names of all projects that have something here, sorted. */
  projects(options?: CallOptions): Promise<readonly ProjectName[]>;
  /**
   * Decides on a fresh look what would be done; writes nothing, anywhere. Throws `server-not-found`,
   * `generation-not-found`, `image-not-found`, `spec-invalid` for a record that cannot be read, `plan-stale`, `refused`,
   * and what the engine throws.
   */
  plan(intent: Intent): Promise<Prepared>;
  /**
   * Carries a plan out: takes the project's lock, looks again (what was planned before may be old), and walks the steps. A
   * plan without steps returns at once and asks the engine for nothing. Servers are independent of one another; the report
   * says how each one ended. Throws `lock-held`, `plan-stale` when reality changed since the plan was confirmed, what
   * `check` throws, and what the engine throws before the first step; after that, failures are in the report.
   */
  apply(prepared: Prepared, options: ApplyOptions): Promise<ApplyReport>;
  /** All servers, or those of `names` that are there: a look at a few costs less than one at all. */
  servers(project: ProjectName, options?: ListingOptions): Promise<ServerListing>;
  /** Asks the engine where the image decides. */
  imageOf(view: ServerView): Promise<ServerImage>;
  /** Of a server with an allow-list; none for others. Throws `engine-unsupported` where logs cannot be read. */
  refusals(server: RefusedServer): Promise<Refused>;
  /** The generations of a server that are known of, newest first. Throws `server-not-found` when there is none. */
  history(project: ProjectName, server: ServerName): Promise<readonly GenerationView[]>;
  /**
   * What sessions of a server go to, by one listing. `ended` is known to run no more, whatever the listing says. Where several
   * containers serve alike it is the one that the server is shown by; with `sessions`, which the caller has in them by its own
   * count, one of those with the fewest. Throws `server-not-found`, `server-not-running`, `server-asleep` for one that sleeps
   * or is just waking, `image-not-found`.
   */
  serving(project: ProjectName, server: ServerName, options?: ServingOptions): Promise<Serving>;
  /** Whether servers can have another number of containers than one here; else `scale` and `wake` throw. */
  readonly scales: boolean;
  /**
   * Asks for another number of containers, within what the spec says that they were made from; how many there shall be by then.
   * What is stopped, is being replaced or is not scaled stays as it is. Waits for none of them; where one that ends has a volume,
   * for its end. Throws `server-not-found`, `server-not-running` where it does not end,
   * `engine-unsupported` on an engine that runs one container of a server.
   */
  scale(project: ProjectName, server: ServerName, to: Scaling, options?: CallOptions): Promise<number>;
  /**
   * Has a server that is asleep serve again: asks for a container where there is none, and waits until one has passed its gate.
   * Throws what `scale` throws, `server-not-running` for one that was stopped, `server-asleep` for one that somebody put to sleep
   * again meanwhile, and what keeps containers of it from starting.
   */
  wake(project: ProjectName, server: ServerName, options?: CallOptions): Promise<void>;
  /** All containers of servers, by one listing, sorted by server and generation. */
  instances(project: ProjectName, options?: CallOptions): Promise<readonly ServerContainer[]>;
  /** What all containers of servers take now, in no order. May take a second, in which the engine measures. */
  usage(project: ProjectName, options?: UsageOptions): Promise<readonly ContainerUsage[]>;
  /**
   * Tells what the engine remembers of containers of servers, oldest first, and with `follow` what comes, until the signal
   * aborts (`interrupted`). An engine forgets soon: Docker has the last 256 events of everything.
   */
  events(
    project: ProjectName,
    query: EventQuery,
    hear: (event: EngineEvent) => void,
    options?: CallOptions,
  ): Promise<void>;
  /**
   * Tells of servers of which something has changed, so that something else may serve. Resolves when that ends; throws
   * `interrupted`, and what the engine throws.
   */
  watchServers(project: ProjectName, hear: ServerWatch, options?: CallOptions): Promise<void>;
  readonly lock: ProjectLock;
  readonly sessions: SessionHost;
  /** Ends connections that are kept alive. */
  close(): Promise<void>;
};

/** The orchestrator of one engine, which can be one of several. */
export type SingleOrchestrator = Orchestrator & { readonly lock: HoldableLock };

/** A container that may have been given secrets when it was made. */
export type MadeServer = Pick<MadeFrom, 'foreignRecord'> & {
  readonly id: ContainerId;
  readonly server: ServerName;
  readonly secretPrints?: SecretPrints;
  /** Whether it was given secrets also where its server is none over HTTP. */
  readonly givenSecrets?: boolean;
};

/** Which containers run with a secret that has another value by now. */
export type ChangedSecrets = {
  /** Names of variables, sorted, by the container. */
  readonly changed: ReadonlyMap<ContainerId, NonEmpty<string>>;
  /** Servers of which it is not known, and why. */
  readonly warnings: readonly PlanWarning[];
};

export type GateOutcome =
  | { readonly passed: true; readonly tools: number; readonly note: string }
  | { readonly passed: false; readonly failure: Failure };

/** A container of a server whose log is kept. */
export type LoggedServer = LoggedContainer & {
  /** Absent: what it was made from cannot be read. */
  readonly spec?: DesiredServer;
  readonly foreignRecord?: ForeignRecord;
  readonly secretPrints?: SecretPrints;
};

/** What an orchestrator needs besides its engine: what this machine knows, and how servers are talked to. */
export type OrchestratorPorts = {
  /** `looms/<version>`, for the label of what is made. */
  readonly managedBy: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Executions counted on this machine, by container; one never called is left out. Throws `ledger-unreadable`. */
  readonly countExecutions: (containers: readonly ContainerId[]) => Promise<ReadonlyMap<ContainerId, number>>;
  /** Holds specs of records against the rules of files: anybody can label a container. Throws `spec-invalid`. */
  readonly requireRules: (
    specs: readonly DesiredServer[],
    words: { readonly what: string; readonly hint: string },
  ) => Promise<void>;
  readonly changedSecrets: (
    project: ProjectName,
    servers: readonly DeclaredServer[],
    made: readonly MadeServer[],
  ) => Promise<ChangedSecrets>;
  /** What a server's process is given when it is made, and prints of the secrets in it where this machine has a key. */
  readonly containerSecrets: (
    project: ProjectName,
    server: DeclaredServer,
  ) => Promise<{ readonly values: Readonly<Record<string, string>>; readonly prints?: SecretPrints }>;
  /** Whether a new generation answers the handshake and `tools/list` in time. */
  readonly gate: (
    serving: Serving,
    options: { readonly sessions: SessionHost; readonly signal: AbortSignal },
  ) => Promise<GateOutcome>;
  /** Keeps the log of a container that is about to be removed. Why it could not, for people; never throws. */
  readonly keepLog: (
    at: HealthPlace,
    of: LoggedServer,
    options: { readonly sessions: SessionHost; readonly signal?: AbortSignal | undefined },
  ) => Promise<string | undefined>;
  /** Masks the secrets that were looked up, in text that is kept. */
  readonly mask: (text: string) => string;
  /** Resolves after `milliseconds`, or at once when the signal aborts. */
  readonly pause: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Milliseconds of a clock that never goes back, for durations. */
  readonly monotonicMs: () => number;
  /** Whether a process of this machine is alive. */
  readonly processIsAlive: (pid: number) => boolean;
  readonly whoAmI: Pick<LockHolder, 'host' | 'pid' | 'processes' | 'command'> & { readonly user: string };
};
