import type { Channel } from '../mcp/link/channel.ts';
import type { DesiredServer, Scale } from '../model/desired.ts';
import type { ErrorCode } from '../model/errors.ts';
import type { ContainerId, ServerName } from '../model/ids.ts';
import type { Scaling } from '../model/replicas.ts';
import type { TraceContext, Tracing } from '../model/trail/tracing.ts';

/** What a conversation goes to. */
export type Serves = {
  readonly container: ContainerId;
  /**
   * Tells one run of the container from the next, of a server over HTTP: what it knew of a conversation is gone with a run,
   * and nothing of its connections says so. Absent for one over stdio, whose processes end with their container.
   */
  readonly run?: string;
  /** Containers of one generation are made from the same, and so have the same tools. Absent: not known. */
  readonly generation?: number;
};

/** What serves by now, in the place of something else as the case may be, and how long that is drained, s. */
export type Successor = Serves & {
  readonly drainSeconds: number;
  /** What else serves the same. */
  readonly beside?: readonly Serves[];
};

/** Where conversations are, so that a new one goes to where the fewest are. */
export type Places = {
  /** How many are in each container, as it is just now; very many in one that is to be avoided. */
  readonly sessions: ReadonlyMap<ContainerId, number>;
  /** Hears in which container one is about to be opened; throws where it is not to be opened there. */
  readonly took: (container: ContainerId) => void;
};

/** A server with as many containers as its sessions need, and how many it has been asked for. */
export type ScaledServer = { readonly server: ServerName; readonly scale: Scale; readonly asked: number };

/** A way to the container that serves a server now. */
export type Upstream = Serves & {
  readonly channel: Channel;
  readonly generation: number;
  readonly spec: DesiredServer;
  /** Has new conversations go elsewhere for a while, where there is an elsewhere: this one came to nothing. */
  readonly avoid?: () => void;
};

/** A call of a tool, for the audit trail. */
export type GatewayCall = Pick<Upstream, 'container' | 'generation' | 'spec'> & {
  readonly principal: string;
  readonly protocolVersion: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The span that the server's work is part of, as far as it is known by then; absent where calls are not traced. */
  readonly within?: (() => TraceContext) | undefined;
};

/** How a call ended, as far as the trail tells: with a result, a JSON-RPC error, or a failure on the way. */
export type CallOutcome =
  | { readonly kind: 'result'; readonly result: Readonly<Record<string, unknown>> }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

type Json = Readonly<Record<string, unknown>>;

/** One request to a server that is over, as it was asked and answered. */
export type Operation = {
  readonly server: ServerName;
  readonly message: Json;
  readonly seconds: number;
  readonly end:
    | { readonly kind: 'answered'; readonly answer: Json }
    | { readonly kind: 'failed'; readonly code: ErrorCode };
};

/** The servers of one project, as the gateway meets them. */
export type Upstreams = {
  /** Names of all servers, sorted. Throws what the engine throws. */
  readonly servers: () => Promise<readonly ServerName[]>;
  /** Whether the engine answers, within 2 s. Does not throw. */
  readonly engineAnswers: () => Promise<boolean>;
  /**
   * Opens a way to what serves now. Throws `server-not-found`, `server-not-running`, `record-untrusted`, `secret-missing`
   * and what opening a link throws; one that is asleep is woken first. `makeRoom` is called about once a second while its
   * container has no room for it.
   */
  readonly open: (server: ServerName, makeRoom?: () => void, places?: Places) => Promise<Upstream>;
  /** The servers that are scaled by their sessions, asleep or not, without those that were stopped. Throws what the engine throws. */
  readonly scaled: () => Promise<readonly ScaledServer[]>;
  /** Asks for another number of containers (`Orchestrator.scale`); how many there shall be by then. Throws what that throws. */
  readonly scale: (server: ServerName, to: Scaling) => Promise<number>;
  /**
   * Tells of servers that something else may serve by now, as long as the signal lets it; `onReady` when nothing is missed
   * from now on. Resolves when it ends, for whatever reason. Does not throw.
   */
  readonly watch: (
    hear: { readonly onReady: () => void; readonly onChange: (server: ServerName) => void },
    signal: AbortSignal,
  ) => Promise<void>;
  /**
   * What conversations go to; `asleep`: what the next one wakes; `unknown` where the engine does not say whether there is
   * something. Wakes nothing. Does not throw.
   */
  readonly serving: (server: ServerName) => Promise<Successor | 'asleep' | 'nothing' | 'unknown'>;
  /**
   * Makes a call after its first record in the audit trail, counted against `max_executions`; the second one is written
   * within 10 ms of its end, or with what is written next. Throws `refused` when a
   * quota of the project is used up, with that in the trail, or the call cannot be counted against it; what `make` fails
   * with stays there.
   */
  readonly record: (call: GatewayCall, make: () => Promise<CallOutcome>) => Promise<void>;
  /** Tells of requests in spans; without it nothing is. */
  readonly tracing?: Tracing;
  /** Hears of what a server lists as its tools, whoever asked: a page of the answer. */
  readonly listed?: (server: ServerName, answer: Json) => void;
  /** Hears of each request that is over. */
  readonly ended?: (operation: Operation) => void;
  /** Writes that a call was wanted and not sent, and why. */
  readonly refused: (call: GatewayCall, why: ErrorCode) => Promise<void>;
};
