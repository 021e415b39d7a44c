import type { ErrorCode } from './errors.ts';
import type { ContainerId, ProjectName, ServerName } from './ids.ts';

/** How a call ended. `refused`: it was never sent, since the tool is filtered, unknown, or the arguments do not fit. */
const callResults = [
  'ok',
  'tool-error',
  'json-rpc-error',
  'timeout',
  'interrupted',
  'server-exited',
  'refused',
  'failed',
] as const;

export type CallResultKind = (typeof callResults)[number];

/** The result of a call as it is read back: it may still run, or its program ended before it could write a result. */
export const seenResults = [...callResults, 'running', 'unknown'] as const;

export type SeenResult = (typeof seenResults)[number];

/** Which call is made, by what is known before it is sent. */
export type AuditedTarget = {
  readonly project: ProjectName;
  readonly server: ServerName;
  readonly generation: number;
  readonly container: ContainerId;
  /** The engine's own id; empty when it did not say. */
  readonly engine: string;
  /** Revision of MCP that the session speaks. */
  readonly protocolVersion: string;
  readonly tool: string;
};

export type AuditedCall = AuditedTarget & {
  /** Bound of the call, ms. */
  readonly timeoutMs: number;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Whether the arguments themselves are written, and not only their size and keyed hash. */
  readonly keepArguments: boolean;
};

export type CallEnd = {
  readonly result: CallResultKind;
  /** Code of the error that ended it. */
  readonly code?: ErrorCode;
  /** Of the result as canonical JSON; absent when there was none. */
  readonly resultBytes?: number;
  readonly durationMs: number;
};

/** How a change ended, as the report of its run says it. */
const changeResults = [
  'done',
  'partly',
  'gate-failed',
  'not-serving',
  'failed',
  'blocked',
  'interrupted',
  'timed-out',
] as const;

export type ChangeResultKind = (typeof changeResults)[number];

/** The result of a change as it is read back. */
export const seenChangeResults = [...changeResults, 'running', 'unknown'] as const;

export type SeenChangeResult = (typeof seenChangeResults)[number];

/** What a change does to one server, and what came of it once it ended. */
export type ServerChangeRecord = {
  readonly server: string;
  /** Of the plan: `create`, `replace`, `remove` … */
  readonly action: string;
  /** Why, without values: `spec-changed mcp_server.args`. */
  readonly reasons: readonly string[];
  /** The file that declares it and the Git commit of that, `+dirty` where the file differs from it. */
  readonly file?: string;
  readonly commit?: string;
  readonly result?: string;
  readonly code?: string;
  /** Why it failed, a gate too; secrets masked, at most 500 characters. */
  readonly why?: string;
};

/** A change that is about to be made, by what is known of it before. */
export type AuditedChange = {
  /** `apply`, `delete`, `mcp start`, `config set-key`, `unlock` … */
  readonly command: string;
  /** Absent for what is of no project: a secret of this machine. */
  readonly project?: ProjectName;
  /** The engine's own id. */
  readonly engine?: string;
  /** What is changed, where it is no server: a secret by its name and store, a lock by its id and holder. */
  readonly subject?: string;
  readonly servers: readonly ServerChangeRecord[];
};

export type ChangeEnd = {
  readonly result: ChangeResultKind;
  readonly code?: ErrorCode;
  /** Of a change that failed as a whole; secrets masked, at most 500 characters. */
  readonly why?: string;
  readonly durationMs: number;
  /** As they were planned under the lock, with what came of each; absent where nothing was begun. */
  readonly servers?: readonly ServerChangeRecord[];
};

/** One change as it is read back: what was written before it, joined with what was written at its end. */
export type ChangeRecord = Omit<AuditedChange, 'project'> &
  Partial<ChangeEnd> & {
    /** Place of its first record in the chain. */
    readonly seq: number;
    readonly change: string;
    /** RFC 3339, UTC, with milliseconds. */
    readonly time: string;
    readonly user: string;
    readonly host: string;
    readonly pid: number;
    readonly project?: string;
  };

/** Whether something reached the trail; when not, why, for people. */
export type Written =
  | { readonly written: true }
  | { readonly written: false; readonly why: string; readonly hint: string };

/** Writes the trail. Nothing of it throws: a full disk or a locked file breaks no call, the reason comes back. */
export type AuditTrail = {
  /** Loads what writes, where there is time for that: the first record does not wait for it then. */
  readonly prepare: () => void;
  /** Writes that a call is about to be sent, and raises the count of its container. */
  readonly started: (call: AuditedCall) => Promise<{
    readonly start: Written;
    /** Writes how it ended. Does nothing when its start could not be written. Call it once. */
    readonly ended: (end: CallEnd) => Promise<Written>;
  }>;
  /** Writes that a call was wanted and not sent; it is not counted. */
  readonly refused: (target: AuditedTarget, code: ErrorCode) => Promise<Written>;
  /** Writes that a change is about to be made; `ended` as for a call. */
  readonly changed: (change: AuditedChange) => Promise<{
    readonly start: Written;
    readonly ended: (end: ChangeEnd) => Promise<Written>;
  }>;
};

/** One call as it is read back: what was written at its start, joined with what was written at its end. */
export type CallRecord = {
  /** Place of its first record in the chain. */
  readonly seq: number;
  readonly call: string;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly project: string;
  readonly server: string;
  readonly generation: number;
  readonly container: string;
  readonly engine: string;
  readonly protocolVersion: string;
  readonly tool: string;
  /** Bound of the call, ms; absent for a refused one. */
  readonly timeoutMs?: number;
  /** Of the arguments as canonical JSON; absent for a refused call. */
  readonly argumentsBytes?: number;
  /** HMAC-SHA-256 of the arguments as canonical JSON, with a key of this machine; hex. */
  readonly argumentsHash?: string;
  /** Only with `--audit-arguments`; secrets masked. */
  readonly arguments?: Readonly<Record<string, unknown>>;
  /** Absent: no end was written. */
  readonly result?: CallResultKind;
  readonly code?: string;
  readonly resultBytes?: number;
  readonly durationMs?: number;
};

/** Which calls are wanted; what is absent does not matter. Lists name alternatives. */
export type AuditQuery = {
  readonly project?: ProjectName;
  readonly servers?: readonly string[];
  readonly tools?: readonly string[];
  /** `user` or `user@host`. */
  readonly who?: readonly string[];
  /** RFC 3339, UTC, with milliseconds; from this moment on. */
  readonly since?: string;
  /** The same; before this moment. */
  readonly until?: string;
  /** Oldest first without it. */
  readonly newestFirst?: boolean;
};

/** The end of the trail at one moment. Kept elsewhere, it shows later whether that part of the trail is still there. */
export type TrailHead = { readonly seq: number; readonly hash: string };

export type Verification =
  | {
      readonly intact: true;
      /** Records that were looked at; a call has up to two, and so has a change. */
      readonly records: number;
      /** Absent: nothing was ever written. */
      readonly head?: TrailHead;
      /** Path of a key that is there although nothing is written: a trail may have been removed. */
      readonly keyWithoutTrail?: string;
    }
  | {
      readonly intact: false;
      /** The first record that does not fit. */
      readonly seq: number;
      readonly fault: 'changed' | 'missing' | 'cut-off' | 'unproven-end' | 'other-head';
      /** When that record says it was written, as far as it can be read. */
      readonly time?: string;
    };

/** Reads the trail. Throws `ledger-unreadable`. */
export type AuditReader = {
  /** One after the other, as they are asked for: a trail is larger than what memory should hold. */
  readonly calls: (query: AuditQuery) => AsyncIterable<CallRecord>;
  /** The same of changes; tools do not matter. */
  readonly changes: (query: AuditQuery) => AsyncIterable<ChangeRecord>;
  /** Whether every record is as it was written; `expected` is a head that was noted down earlier. */
  readonly verify: (expected?: TrailHead) => Promise<Verification>;
};
