import type { Transport } from '@modelcontextprotocol/client';
import type { ConnectionEnding } from '../client/session-errors.ts';

/** One way to a server, made by exec or through a relay: a transport, and what is known when it fails. */
export type Connection = {
  readonly transport: Transport;
  /** Whether answers come on one stream each (HTTP), so that a call's arguments may be mirrored into headers. */
  readonly isHttp: boolean;
  /** Why it cannot go on, as far as that is known; waits at most `waitMs` for the engine to say. */
  readonly ending: (waitMs: number) => Promise<ConnectionEnding | undefined>;
  /** Lines on stdout that were no JSON-RPC, the first few. */
  readonly stray: () => readonly string[];
  /** What the server wrote to stderr when that did not go to the container's log. */
  readonly stderr: () => readonly string[];
  /** Ends it, and the process behind it. Never throws. */
  readonly close: () => Promise<void>;
};

/** Bounds and hooks of one connection. Times in ms. */
export type ConnectionOptions = {
  /** Until when connecting is tried, on `performance.now()`'s clock. */
  readonly deadline: number;
  readonly lifetimeMs: number;
  readonly graceMs: number;
  /** Aborted: stop connecting. Has no effect on a connection that is made. */
  readonly signal: AbortSignal;
  readonly onStray: (line: string) => void;
  /** Hears the text of each message, or batch of them, before the transport hands it on. */
  readonly onText: (text: string) => void;
  /** Called once, when the process runs or the first connection is made. */
  readonly onConnected: () => void;
};
