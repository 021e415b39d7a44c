import type { ErrorCode } from '../errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../ids.ts';
import type { Reason } from '../plan.ts';

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
  /** Whom a gateway made it for: `local` by its socket, else the name of a token. Absent: `user` made it. */
  readonly principal?: string;
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

/** How a change ended: as a run of a plan does, or `refused` before it began and `failed` where its error has a code. */
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

export type ChangeResult = (typeof changeResults)[number];

export const seenChangeResults = [...changeResults, 'running', 'unknown'] as const;

export type SeenChangeResult = (typeof seenChangeResults)[number];

/** What had a change made: a commit or files, an event of the engine, the clock, a probe, a person, or a client. */
export const changeTriggers = ['git', 'file', 'engine', 'timer', 'probe', 'person', 'api'] as const;
export type ChangeTrigger = (typeof changeTriggers)[number];

/** The generation of a server before and after a change; null: none. */
export type GenerationStep = { readonly from: number | null; readonly to: number | null };

/** What stands behind a change. */
export type ChangeCause = {
  readonly trigger: ChangeTrigger;
  /** The trace that its spans are in, where there is one: 32 hexadecimal digits. */
  readonly traceId?: string;
};

/** What is about to be changed; records of earlier versions do not say what had it made. */
export type AuditedChange = Partial<ChangeCause> & {
  /** `looms apply`; never its arguments, which may hold values. */
  readonly command: string;
  /** Whom a gateway did it for, by its page: `local` by its user, else the name of a token. Absent: `user` did it. */
  readonly principal?: string;
  readonly project?: ProjectName;
  /** The engine's own id. */
  readonly engine?: string;
  /** What is done with which server, and the file, line and commit that it comes from. */
  readonly servers?: readonly {
    readonly server: ServerName;
    readonly action: string;
    readonly source?: string;
    /** Absent in records of earlier versions. */
    readonly gen?: GenerationStep;
    /** Why, as the plan had it; secrets masked, and long values cut. */
    readonly reasons?: readonly Reason[];
    /** The event of the engine before it, by its id in `looms events`, where a loop heard one. */
    readonly event?: string;
  }[];
  /** What else is: networks, volumes, records, images. */
  readonly support?: readonly { readonly kind: string; readonly name: string; readonly action: string }[];
  /** The secret whose value is stored or forgotten, by its name. */
  readonly secret?: string;
  /** Whose lock is taken away. */
  readonly lock?: string;
};

export type ChangeEnd = {
  readonly result: ChangeResult;
  /** What became of each server, with why where it failed; secrets masked. */
  readonly outcomes?: readonly {
    readonly server: ServerName;
    readonly outcome: string;
    readonly code?: string;
    readonly message?: string;
  }[];
  /** Of the error that ended it as a whole; secrets masked. */
  readonly code?: ErrorCode;
  readonly message?: string;
  readonly durationMs: number;
};

/** A change as it is read back: what was written at its start, joined with what was written at its end. */
export type ChangeRecord = AuditedChange & {
  /** Place of its first record in the chain. */
  readonly seq: number;
  readonly change: string;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  /** As `time`, of its last record. */
  readonly endedAt?: string;
} & Partial<ChangeEnd>;

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
    /**
     * Writes how it ended: `soon` with what is written next, 10 ms later at most. Does nothing when its start could not be
     * written. Call it once.
     */
    readonly ended: (end: CallEnd, when?: 'now' | 'soon') => Promise<Written>;
  }>;
  /** Writes that a change is about to be made. */
  readonly changing: (change: AuditedChange) => Promise<{
    readonly start: Written;
    /** Writes how it ended. Does nothing when its start could not be written. Call it once. */
    readonly ended: (end: ChangeEnd) => Promise<Written>;
  }>;
  /** Writes that a call was wanted and not sent; it is not counted. */
  readonly refused: (target: AuditedTarget, code: ErrorCode) => Promise<Written>;
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
  /** Whom a gateway made it for; absent: `user` made it. */
  readonly principal?: string;
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

/** Which calls or changes are wanted; what is absent does not matter. Lists name alternatives. */
export type AuditQuery = {
  readonly project?: ProjectName;
  readonly servers?: readonly string[];
  readonly tools?: readonly string[];
  /** `user` or `user@host`. */
  readonly who?: readonly string[];
  /** RFC 3339, UTC, with milliseconds; from this moment on. */
  readonly since?: string;
  /**
   * As `since`, read back from the end of the trail no further than to a record that is a minute older: what was written
   * before a clock was set back is not found, and the trail of years is not read.
   */
  readonly backTo?: string;
  /** The same; before this moment. */
  readonly until?: string;
  /** Only records behind this place in the chain. */
  readonly after?: number;
  /** Oldest first without it. */
  readonly newestFirst?: boolean;
};

/** The end of the trail at one moment. Kept elsewhere, it shows later whether that part of the trail is still there. */
export type TrailHead = { readonly seq: number; readonly hash: string };

export type Verification =
  | {
      readonly intact: true;
      /** Records that were looked at; a call has up to two. */
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
    }
  /** What is asked of the trail need not follow from its records: its tables are not those that looms makes. */
  | { readonly intact: false; readonly fault: 'tables' };

/** Reads the trail. Throws `ledger-unreadable`. */
export type AuditReader = {
  /** One after the other, as they are asked for: a trail is larger than what memory should hold. */
  readonly calls: (query: AuditQuery) => AsyncIterable<CallRecord>;
  /** Changes, as calls are; of a query its tools mean nothing here. */
  readonly changes: (query: AuditQuery) => AsyncIterable<ChangeRecord>;
  /** How many calls of a project were sent since `backTo`, whatever became of them. Each limited call waits for the answer. */
  readonly countCalls: (query: { readonly project: ProjectName; readonly backTo: string }) => Promise<number>;
  /** Place of the newest record in the chain; 0 where there is none. */
  readonly newest: () => Promise<number>;
  /** Whether every record is as it was written; `expected` is a head that was noted down earlier. */
  readonly verify: (expected?: TrailHead) => Promise<Verification>;
};
