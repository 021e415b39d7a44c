import type { DesiredServer, ProtocolChoice } from '../../model/desired.ts';
import type { Failure } from '../../model/events.ts';
import type { TraceContext } from '../../model/trail/tracing.ts';
import type { ExactNumber } from '../../model/values/exact-number.ts';
import type { LinkTarget } from '../link/link.ts';

/** An MCP tool as the server sent it; fields we do not know are kept. */
export type Tool = {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
};

/** The MCP result of `tools/call` as received. */
export type CallResult = {
  readonly content: readonly Readonly<Record<string, unknown>>[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
  readonly [key: string]: unknown;
};

/** An MCP resource as the server sent it. */
export type Resource = {
  readonly uri: string;
  readonly [key: string]: unknown;
};

/** A family of resources: an RFC 6570 template of their URIs. */
export type ResourceTemplate = {
  readonly uriTemplate: string;
  readonly [key: string]: unknown;
};

export type ResourceList = {
  /** Whether the server has this capability at all. */
  readonly offered: boolean;
  readonly resources: readonly Resource[];
  readonly resourceTemplates: readonly ResourceTemplate[];
};

/** The MCP result of `resources/read` as received. */
export type ReadResult = {
  readonly contents: readonly Readonly<Record<string, unknown>>[];
  readonly [key: string]: unknown;
};

/** An MCP prompt as the server sent it. */
export type Prompt = {
  readonly name: string;
  readonly arguments?: unknown;
  readonly [key: string]: unknown;
};

export type PromptList = {
  /** Whether the server has this capability at all. */
  readonly offered: boolean;
  readonly prompts: readonly Prompt[];
};

/** The MCP result of `prompts/get` as received. */
export type PromptResult = {
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly description?: unknown;
  readonly [key: string]: unknown;
};

type Stoppable = { readonly signal?: AbortSignal | undefined };

/** Bound of one request, ms. */
export type AskOptions = Stoppable & { readonly timeoutMs: number };

/** Which container to talk to, and how. */
export type SessionTarget = LinkTarget & {
  readonly spec: DesiredServer;
  /** Id of the container's image: what is learned about the server's protocol is remembered for it. */
  readonly image?: string;
};

/** A question that a server asks whoever uses it, as a form (MCP elicitation). */
export type Question = {
  readonly server: string;
  readonly message: string;
  /** The object schema of the answer, as the server sent it. */
  readonly schema: Readonly<Record<string, unknown>>;
};

export type AnswerValue = string | number | ExactNumber | boolean | readonly string[];

/** `decline` is a no, `cancel` no decision at all. */
export type Answer =
  | { readonly action: 'accept'; readonly content: Readonly<Record<string, AnswerValue>> }
  | { readonly action: 'decline' | 'cancel' };

/** Answers a server's question; the signal aborts when nobody waits for the answer any more. */
export type Answerer = (question: Question, signal: AbortSignal) => Promise<Answer>;

/** One log message of a server (`notifications/message`). */
export type ServerLog = { readonly level: string; readonly logger?: string; readonly text: string };

/** Something of a server that was turned down. */
type Refusal = { readonly what: string; readonly why: string };

export type SessionOptions = {
  readonly signal?: AbortSignal | undefined;
  /** Bound of connect plus handshake, ms; default the spec's `timeout_seconds`. */
  readonly connectTimeoutMs?: number;
  /**
   * Lease of the session's process, ms: it ends by itself after that, also when its client vanished. Default: the connect
   * bound, one call of `execution_timeout_seconds`, and a minute.
   */
  readonly lifetimeMs?: number;
  /**
   * Whether the lease is renewed as long as this program holds the session, by a short exec in each third of it. For those
   * who keep sessions; a lease without it is a bound from the start, and costs nothing.
   */
  readonly renews?: boolean;
  /** How long a server may take to end by itself when its session is closed, ms; default 1000. */
  readonly graceMs?: number;
  /** Whether it has to be one that nobody has used: a look at whether a session can be had. */
  readonly fresh?: boolean;
  /** The span that the session is opened in: the process of a stdio server is told of it, in loom's variables. */
  readonly within?: TraceContext | undefined;
  /** Era chosen for this session; default the spec's `protocol`. */
  readonly protocol?: ProtocolChoice;
  /** Called when the way to the server is there (its process runs, its port answers), before it is asked anything. */
  readonly onConnected?: () => void;
  /** Called once a try, when the first message is on its way: nothing is left to do but wait for its answer. */
  readonly onAsked?: () => void;
  /** A line on stdout that is no JSON-RPC message. */
  readonly onStray?: (line: string) => void;
  /** A log message of the server that is no one call's. From 2026-07-28 on servers send them only to those who listen. */
  readonly onLog?: (log: ServerLog) => void;
  /** A request of the server that is turned down, or a tool of its that cannot be called. */
  readonly onRefused?: (refusal: Refusal) => void;
  /**
   * Answers the server's questions that are no one call's. Without it the server is told that nobody can be asked. While a question is open
   * the bounds of calls stand still, for at most ten minutes a session.
   */
  readonly answer?: Answerer;
};

/**
 * Who hears of one call. Its progress is always its own. A log or a question is, where the revision says so or no other
 * call is under way; else the session's `onLog` and `answer` have it.
 */
export type CallHooks = {
  readonly onProgress?: ((progress: CallProgress) => void) | undefined;
  readonly onLog?: (log: ServerLog) => void;
  /** The span of the call, which the server is told of in `_meta`. */
  readonly trace?: TraceContext | undefined;
  /** A server asks only in sessions that can `answer`. */
  readonly onQuestion?: Answerer;
};

export type CallProgress = { readonly progress: number; readonly total?: number; readonly message?: string };

/** One MCP conversation. The filter of the spec is enforced on list and on call. */
export type Session = {
  readonly server: { readonly name: string; readonly version: string };
  readonly protocolVersion: string;
  /** What the server turned out to speak: `initialize`, or the stateless revisions from 2026-07-28 on. */
  readonly era: 'legacy' | 'modern';
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly instructions?: string;
  /** All pages, filtered, sorted by name (of some servers the order differs from start to start). */
  listTools(
    options?: Stoppable,
  ): Promise<{ readonly tools: readonly Tool[]; readonly unknownFilterNames: readonly string[] }>;
  /**
   * One tool by its exact name. Throws `tool-not-found` for a filtered or unknown one alike, with the nearest name as a
   * hint (a name that is corrected and then called was never asked for).
   */
  findTool(name: string, options?: Stoppable): Promise<Tool>;
  /**
   * Calls a tool. Throws `tool-not-found` for a filtered or unknown one (with the nearest name as a hint, never
   * called), `call-timeout` after `timeoutMs` (having sent `notifications/cancelled`; the time of open questions does
   * not count), `json-rpc-error`, `server-exited`.
   */
  callTool(name: string, args: Readonly<Record<string, unknown>>, options: CallHooks & AskOptions): Promise<CallResult>;
  /** All pages of resources and of their templates, each sorted; empty for a server without the capability. */
  listResources(options?: Stoppable): Promise<ResourceList>;
  /**
   * Reads one resource. Throws `resource-not-found` when the server says so or offers none (with the nearest URI as a
   * hint, never read), `json-rpc-error`, `call-timeout`, `server-exited`.
   */
  readResource(uri: string, options: AskOptions): Promise<ReadResult>;
  /** All pages, sorted by name; empty for a server without the capability. */
  listPrompts(options?: Stoppable): Promise<PromptList>;
  /** One prompt by its exact name. Throws `prompt-not-found` with the nearest name as a hint. */
  findPrompt(name: string, options?: Stoppable): Promise<Prompt>;
  /** Renders a prompt. Throws `json-rpc-error`, `call-timeout`, `server-exited`. */
  getPrompt(name: string, args: Readonly<Record<string, string>>, options: AskOptions): Promise<PromptResult>;
  /**
   * Ends the conversation and makes sure that its process is gone. With `trusting`, a server that was seen to end with its
   * input is only told so: this resolves when the end is on its way, and the lease of the process holds for the day on
   * which it does otherwise. Never throws.
   */
  close(options?: { readonly trusting?: boolean }): Promise<void>;
};

/** Opens sessions; opening one by exec or through a relay is one source, a program that keeps them warm another. */
export type SessionSource = (target: SessionTarget, options?: SessionOptions) => Promise<Session>;

/** Whether a generation counts: it answered the handshake and `tools/list` in time (docs/architecture.md). */
export type GateResult =
  | {
      readonly passed: true;
      readonly tools: number;
      readonly server: { readonly name: string; readonly version: string };
      readonly protocolVersion: string;
      readonly milliseconds: number;
      readonly unknownFilterNames: readonly string[];
    }
  | { readonly passed: false; readonly failure: Failure };
