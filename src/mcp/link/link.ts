import type { DesiredServer, McpSpec } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { Serving } from '../../model/server-view.ts';
import type { SessionHost } from '../../orchestrator/session-host.ts';

/** Which process or port of which container is reached, and how. */
export type LinkTarget = Pick<Serving, 'container' | 'reach' | 'argv' | 'hasShell'> & {
  readonly sessions: SessionHost;
  readonly spec: Pick<DesiredServer, 'name'> & { readonly mcp: Pick<McpSpec, 'transport'> };
  /** The session's environment, secrets resolved; handed to the process, never stored. */
  readonly env: Readonly<Record<string, string>>;
};

/** One way to a server, and what is known when it fails. */
type Way = {
  /** Why it cannot go on, as far as that is known; waits at most `waitMs` for the engine to say. */
  readonly ending: (waitMs: number) => Promise<LinkEnding | undefined>;
  /** Lines on stdout that were no JSON-RPC, the first few. */
  readonly stray: () => readonly string[];
  /** What the server wrote to stderr when that did not go to the container's log. */
  readonly stderr: () => readonly string[];
  /** Ends it, and makes sure that the process behind it is gone; says whether that ended by itself. Never throws. */
  readonly close: () => Promise<{ readonly byItself: boolean }>;
  /** For a server that ends with its input: resolves when its end is on its way, in its lease's bound. Never throws. */
  readonly leave: () => Promise<void>;
};

/** A stdio server, by exec: messages go both ways on one stream. */
export type StdioLink = Way & {
  readonly kind: 'stdio';
  readonly frames: Frames;
  /** How many other sessions its container had when the server began; 0 where nobody can say. */
  readonly beside: () => number;
  /** Whether the kernel has refused a process or a thread in the container since the server began. Never throws. */
  readonly wasRefused: () => Promise<boolean>;
};

/** An HTTP server, dialled: each request is one of `fetch`. */
export type HttpLink = Way & {
  readonly kind: 'streamable-http' | 'sse';
  readonly url: URL;
  /** As far as HTTP transports of MCP use it: text bodies, streamed responses, abort. */
  readonly fetch: Fetch;
  /** Whether it was connected once, and no stream that carries answers broke. */
  readonly isWhole: () => boolean;
  /** Resolves when the notifications that were sent are answered: nobody else waits for them. */
  readonly notified: () => Promise<void>;
  /** Called when a stream that carries answers broke: those who wait would wait until their timeout. */
  onbroken?: (() => void) | undefined;
};

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** A JSON-RPC message of either side, as far as a link looks at it. */
export type Message = Readonly<Record<string, unknown>> & { readonly jsonrpc: '2.0'; readonly method?: string };

/** A stream of messages both ways; what is set on it hears what comes. */
export type Frames = {
  readonly start: () => Promise<void>;
  readonly send: (message: Message) => Promise<void>;
  /** Sends a message as this text of it, so that nothing of it is written otherwise. */
  readonly sendText: (text: string, message: Message) => Promise<void>;
  readonly close: () => Promise<void>;
  onmessage?: ((message: Message) => void) | undefined;
  /** The same, with the text that it came as. */
  ontext?: ((text: string, message: Message) => void) | undefined;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
};

/** Why a link cannot go on. */
export type LinkEnding =
  /** The server's process is gone; the exit code is null when the engine did not say. */
  | { readonly kind: 'exited'; readonly code: number | null }
  /** The server never began: its container had no room for one more session. */
  | { readonly kind: 'no-room'; readonly lack: Lack }
  | { readonly kind: 'failed'; readonly error: LoomsError };

/**
 * What a container had too little of for one more session beside those that are open: `used` of `most`, of memory in
 * bytes. All but the first only where it is known. `anything`: the engine could start no process in it.
 */
export type Lack = {
  readonly of: 'processes' | 'memory' | 'anything';
  readonly open?: number;
  readonly used?: number;
  readonly most?: number;
};

/** Bounds and hooks of one link. Times in ms. */
export type LinkOptions = {
  /** Until when connecting is tried, on `performance.now()`'s clock. */
  readonly deadline: number;
  /** The lease of a stdio server's process, and whether it is renewed as long as this program holds the link. */
  readonly lifetimeMs: number;
  readonly renews: boolean;
  readonly graceMs: number;
  /** Aborted: stop connecting. Has no effect on a link that is made. */
  readonly signal: AbortSignal;
  readonly onStray: (line: string) => void;
  /** Hears the text of each message, or batch of them, before the link hands it on. */
  readonly onText: (text: string) => void;
  /** Called once, when the process runs or the first connection is made. */
  readonly onConnected: () => void;
  /** Called about once a second while a stdio server waits for room in its container. */
  readonly onWaiting?: (() => void) | undefined;
};

/** Whether a connection ended while an answer was awaited on it. */
export function isHangUp(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) || isHangUp(error.cause);
}

/** Longest message taken from a server, bytes: answers hold files and pictures (docs/commands.md: 10 MB). */
export const maxFrameBytes = 10 * 1024 * 1024;

/** What ends a session whose server sent more than `limit` bytes as one message. */
export const frameTooLong = (limit: number): LoomsError =>
  new LoomsError('session-failed', `the server sent a message of more than ${limit} bytes`, {
    hint: 'ask for less at once, for example with a limit or a page argument of the tool',
  });
