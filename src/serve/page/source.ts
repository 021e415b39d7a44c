import type { Failure } from '../../model/events.ts';
import type { ServerName } from '../../model/ids.ts';
import type { PageAct, PageDone } from '../../model/page/deeds.ts';
import type { PageAudit, PageLogLine } from '../../model/page/past.ts';
import type { PageServerDetail } from '../../model/page/server.ts';
import type { PageSample, PageServer, PageState } from '../../model/page/state.ts';
import type { LifecycleEvent } from '../../model/trail/lifecycle-events.ts';

/** How everything is, before it is said who looks. */
export type PageLook = Omit<PageState, 'principal' | 'may' | 'servers'> & {
  readonly servers: readonly Omit<PageServer, 'may'>[];
};

/** What is told of one server without asking it. */
export type PageDetail = Omit<PageServerDetail, 'tools' | 'sessions'>;

/** Which lines of logs are wanted. */
export type PageLogQuery = {
  readonly servers: readonly ServerName[];
  /** As `--since` of `looms logs` takes it; absent: from the beginning, or by `tail`. */
  readonly since?: string;
  /** Of each container so many lines from the end; absent: all. */
  readonly tail?: number;
};

/** What the page shows and does, as it is handed to it. What it says is masked: no secret that was looked up is in it. */
export type PageSource = {
  /** Does not throw: where the engine is away, it is what was known last, and says so. */
  readonly look: () => Promise<PageLook>;
  /** Measurements of the last hour, oldest first. */
  readonly samples: () => readonly PageSample[];
  /**
   * Tells, until the signal aborts: that a look may find something else, of each measurement, and of what happened in the
   * last hour and happens from now on. Ends before that where the engine's events do; does not throw.
   */
  readonly watch: (
    hear: {
      readonly onChange: () => void;
      readonly onSample: (sample: PageSample) => void;
      readonly onEvent: (event: LifecycleEvent) => void;
    },
    signal: AbortSignal,
  ) => Promise<void>;
  /** Throws `server-not-found`, and what the engine throws. */
  readonly detail: (server: ServerName) => Promise<PageDetail>;
  /**
   * Lines by time: those that are there, then `live`, then those that come, until the signal aborts. Throws `usage` for a
   * moment that is none, `server-not-found`, and what the engine throws.
   */
  readonly log: (query: PageLogQuery, signal: AbortSignal) => AsyncIterable<PageLogLine | 'live'>;
  /** The newest records of these servers; of all where none is named. Throws `ledger-unreadable`. */
  readonly audit: (servers: readonly ServerName[] | undefined, limit: number) => Promise<PageAudit>;
  /**
   * What is wrong with the arguments of a call, by their names (empty: with all of them), held against the schema of its
   * tool as `looms mcp call` does it; undefined: nothing, or nothing that could be found out. Throws `interrupted`.
   */
  readonly checkArguments: (
    schema: Readonly<Record<string, unknown>>,
    args: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ) => Promise<Readonly<Record<string, string>> | undefined>;
  /** Starts, stops or restarts a server as `looms mcp` does, for a principal. Throws what that throws, and `not-confirmed`. */
  readonly act: (act: Pick<PageAct, 'deed'> & { readonly server: ServerName }, principal: string) => Promise<PageDone>;
  /** Carries out the plan that waits. Throws `plan-stale` where it is another one by now, and what `apply` throws. */
  readonly approve: (digest: string, principal: string) => Promise<PageDone>;
  /** Masks secrets in a text that somebody else made. */
  readonly mask: (text: string) => string;
};

/** A failure as an answer says it. */
export const asPageError = ({ code, message, hint }: Pick<Failure, 'code' | 'message' | 'hint'>) => ({
  error: { code, message, ...(hint === undefined ? {} : { hint }) },
});
