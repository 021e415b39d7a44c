import type { ServerName } from '../ids.ts';
import type { SeenChangeResult, SeenResult } from '../trail/audit.ts';

// What was written and what was done, as the page of `looms serve` is told of it.

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
