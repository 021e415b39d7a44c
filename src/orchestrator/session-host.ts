import type { Duplex, Readable, Writable } from 'node:stream';
import type { EngineHealth, EngineTime } from '../model/engine.ts';
import type { ContainerId, ServerName } from '../model/ids.ts';
import type { Reach } from '../model/server-view.ts';

/** Bounds every call: aborted means stop waiting; a call that was sent may still take effect. */
export type CallOptions = { readonly signal?: AbortSignal | undefined };

/** A running process in a container, with its streams apart. */
export type ExecSession = {
  /** Writing respects back-pressure; `end()` half-closes: the process sees the end of its stdin. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** What the process wrote to stderr through the exec itself (a session wrapper redirects it to the container's log). */
  readonly stderr: Readable;
  /** Resolves when the process ended and its streams were read, or the connection broke (exitCode null). */
  readonly ended: Promise<{ readonly exitCode: number | null }>;
  /** Drops the connection without waiting. The process may go on: see `SessionProcess` in mcp. */
  destroy(): void;
};

export type ExecRequest = {
  readonly argv: readonly string[];
  /** Environment of this process only; it is stored nowhere. May hold secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDir?: string;
};

/** What is dialled, and for whom. */
export type DialRequest = {
  /** For messages. */
  readonly server: ServerName;
  /** `Serving.reach` of the container. */
  readonly reach: Reach;
  /** Until when connecting is tried, ms on `performance.now()`'s clock. */
  readonly deadline: number;
  /** Aborted: stop connecting. Has no effect on a connection that is made. */
  readonly signal: AbortSignal;
  /** Whether answers come on a stream that is open all the time, as by the HTTP transport of 2024: it is never idle then. */
  readonly answersOnStream?: boolean;
  /** Until it aborts, what carries the connection stays for the next one; all who dial one container may share it. */
  readonly held: AbortSignal;
};

export type LogLine = { readonly time: EngineTime; readonly stream: 'stdout' | 'stderr'; readonly text: string };

/** A moment on the engine's clock, or so long before now on it. */
export type LogMoment = { readonly at: EngineTime } | { readonly agoMs: number };

/** Which lines of a log are wanted. */
export type LogQuery = {
  readonly streams: readonly LogLine['stream'][];
  /** Both inclusive, to the millisecond. */
  readonly since?: LogMoment;
  readonly until?: LogMoment;
  /** Only so many from the end, counted before one of the streams is chosen; absent: all. */
  readonly tail?: number;
  /** Goes on with what is written from now, until the container stops. */
  readonly follow: boolean;
};

/** How a container runs at a moment. */
export type ContainerRun = {
  readonly running: boolean;
  readonly run: string;
  readonly exitCode: number;
  readonly engineHealth: EngineHealth | null;
};

/** Talks to what runs, on any kind of engine. What fails in an expected way throws `LoomsError` with a code of ours. */
export type SessionHost = {
  exec(id: ContainerId, request: ExecRequest, options?: CallOptions): Promise<ExecSession>;
  /**
   * Opens a TCP connection to a port of a container on a network that this machine may have no part in, as a stream. A
   * fresh server needs a moment until it listens: tries until the deadline, as long as the container runs. Throws
   * `session-failed` when nothing listened, `interrupted`, and what `exec` throws.
   */
  dial(id: ContainerId, port: number, request: DialRequest): Promise<Duplex>;
  /**
   * Whether it runs now, which run that is and what the check of its image says (`ServerView.run`, `engineHealth`), and its
   * exit code when it does not; null when it is gone.
   */
  containerRunning(id: ContainerId, options?: CallOptions): Promise<ContainerRun | null>;
  /** How many sessions run in it now, for draining. */
  countSessions(id: ContainerId, options?: CallOptions): Promise<number>;
  /** The last lines of a container's log, both streams, oldest first. */
  tailLog(id: ContainerId, lines: number, options?: CallOptions): Promise<readonly LogLine[]>;
  /**
   * A container's log as it is read, in the order in which it was written; not faster than its lines are taken. Throws
   * `engine-not-found` when the container is gone, `interrupted` when the signal aborts.
   */
  readLog(id: ContainerId, query: LogQuery, options?: CallOptions): AsyncIterable<LogLine>;
};
