import type { Failure } from '../events.ts';
import type { ServerName } from '../ids.ts';

// What the page of `looms serve` has the gateway do.

/**
 * `POST /page/call`. Filter, policy, limits and audit are those of any client's call. Status 400 (`arguments-invalid`) with
 * `fields` where the arguments do not fit the schema of the tool: then nothing is sent.
 */
export type PageCall = {
  readonly server: string;
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The same call once more, with what its server asked for (`inputRequests` of the result before). */
  readonly answers?: {
    /** By the keys of the questions: results of `elicitation/create`. */
    readonly inputResponses: Readonly<Record<string, unknown>>;
    /** As the result before has it. */
    readonly requestState?: string;
  };
};

/**
 * Its answer with status 200: the result of `tools/call` as the server gave it, `isError` in it where the tool says so; or
 * with `resultType: "input_required"` questions (`elicitation/create`, as forms) in `inputRequests`.
 */
export type PageCallResult = { readonly result: Readonly<Record<string, unknown>>; readonly milliseconds: number };

/** `POST /page/act`. `repeat` is the server's name once more, typed by whoever stops it; for the others it may be absent. */
export type PageAct = {
  readonly deed: 'start' | 'stop' | 'restart';
  readonly server: string;
  readonly repeat?: string;
};

/** `POST /page/plan`. Status 409 (`plan-stale`) where another plan waits by now. */
export type PageApproval = { readonly digest: string };

/** The answer to both when all of it has ended, which may take minutes; the stream tells of it meanwhile. */
export type PageDone = {
  readonly outcome: string;
  readonly servers: readonly {
    readonly server: ServerName;
    readonly outcome: string;
    readonly failure: Failure | null;
  }[];
  /** What is told beside it, failures of what stands behind the servers first. */
  readonly notices: readonly { readonly code: string; readonly server?: ServerName; readonly message: string }[];
};
