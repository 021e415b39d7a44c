import type { AlertEnd } from '../alerts.ts';
import type { ContainerId, ProjectName, ServerName } from '../ids.ts';
import type { Reason } from '../plan.ts';
import type { SeenChangeResult, SeenResult } from '../trail/audit.ts';

// What happened, what was written and what was done, as the page of `looms serve` is told of it.

/** Something that happened (docs/commands.md, `looms events`). */
export type PageEvent = {
  /** A ULID. */
  readonly id: string;
  readonly ts: string;
  readonly source: 'engine' | 'looms';
  readonly type: string;
  readonly project: ProjectName;
  readonly server: ServerName;
  readonly generation?: number;
  readonly container?: ContainerId;
  readonly exitCode?: number;
  readonly health?: string;
  readonly action?: string;
  readonly reasons?: readonly Reason[];
  readonly gen?: { readonly from: number | null; readonly to: number | null };
  readonly cause?: Readonly<Record<string, unknown>>;
  readonly result?: string;
  readonly code?: string;
  readonly message?: string;
  readonly ms?: number;
  /** Of an alert. */
  readonly rule?: string;
  readonly state?: 'firing' | 'resolved';
  readonly value?: string;
  /** Why it resolved where it was not by its number. */
  readonly why?: AlertEnd;
};

export type PageLogLine = {
  readonly ts: string;
  readonly server: ServerName;
  readonly generation: number;
  readonly stream: 'stdout' | 'stderr';
  /** Without its end; ANSI is in it as the server wrote it. At most 8,192 characters. */
  readonly text: string;
  /** Its container is gone, and looms kept the line. */
  readonly gone: boolean;
};

/** `GET /page/audit?server=NAME&limit=N`: newest first, at most `limit` of each (100, up to 500). */
export type PageAudit = {
  readonly calls: readonly {
    readonly time: string;
    readonly server: string;
    readonly generation: number;
    readonly tool: string;
    /** Whom the gateway made it for, else `user@host`. */
    readonly principal: string;
    readonly result: SeenResult;
    readonly code: string | null;
    readonly durationMs: number | null;
    readonly argumentsBytes: number | null;
    readonly resultBytes: number | null;
  }[];
  readonly changes: readonly {
    readonly time: string;
    readonly command: string;
    readonly principal: string;
    readonly servers: readonly { readonly server: ServerName; readonly action: string }[];
    readonly result: SeenChangeResult;
    readonly code: string | null;
    readonly message: string | null;
    readonly durationMs: number | null;
  }[];
};
