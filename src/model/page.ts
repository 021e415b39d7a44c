import type { Failure } from './events.ts';
import type { loopStates } from './health.ts';
import type { ContainerId, ProjectName, ServerName } from './ids.ts';
import type { Change, FieldDifference, Reason } from './plan.ts';
import type { ServerState } from './server-view.ts';
import type { SeenChangeResult, SeenResult } from './trail/audit.ts';

// What the page of `looms serve` and the gateway say to one another (docs/page.md). Names are as in all JSON of looms.
// Moments are ISO 8601, UTC. All text may hold what a server, an engine or a file wrote: the page shows it as text only.

/** The events of `GET /page/stream`, each with an id that `Last-Event-ID` goes on from. */
export type PageMessage =
  /** How everything is: first, and whenever something of it changed. Takes the place of the one before. */
  | { readonly event: 'state'; readonly data: PageState }
  /** What came before, oldest first: after the first state, where the stream does not go on from an id that is known. */
  | {
      readonly event: 'past';
      readonly data: { readonly samples: readonly PageSample[]; readonly events: readonly PageEvent[] };
    }
  /** Every 15 s. */
  | { readonly event: 'sample'; readonly data: PageSample }
  /** As `looms events -o json` prints it. */
  | { readonly event: 'event'; readonly data: PageEvent }
  /** The stream ends here, and why: the token was revoked, or has ended. */
  | { readonly event: 'end'; readonly data: PageError };

/** The events of `GET /page/log?server=NAME|*&grep=REGEX&since=10m|TIME&tail=N`. */
export type PageLogMessage =
  | { readonly event: 'line'; readonly data: PageLogLine }
  /** What was there has been told; what comes now is written now. */
  | { readonly event: 'live'; readonly data: { readonly at: string } }
  | { readonly event: 'end'; readonly data: PageError };

/** The body of every answer that is none of 2xx, and of `end`. */
export type PageError = {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
    /** Of `arguments-invalid`: what is wrong, by the name of the argument; empty: with all of them. */
    readonly fields?: Readonly<Record<string, string>>;
  };
};

/** What somebody may do of what the page offers, by their scopes (docs/spec.md, `serve.tokens`). */
export type PageRights = {
  readonly logs: boolean;
  readonly audit: boolean;
  /** Start, stop, restart. */
  readonly operate: boolean;
};

/** `POST /page/code`, by the socket only: where the page is, and a code to log in with; neither where no TCP port has it. */
export type PageCode = { readonly url: string; readonly code: string } | Readonly<Record<string, never>>;

/** `POST /page/session`: a code of `looms dashboard`, or a token of a client, for a key of this page. */
export type PageLogin = { readonly code: string } | { readonly token: string };

/** The answer: `token` is the key, a bearer on `/page/…` only, gone with the gateway. `DELETE /page/session` ends it. */
export type PageSession = {
  readonly token: string;
  readonly principal: string;
  readonly may: PageRights;
  readonly expiresAt: string;
};

/** What cannot be told, and why, in words for people: `no files are watched: looms serve --watch -f …`. */
export type Unknown = { readonly kind: 'unknown'; readonly why: string };

/** Why nothing is known of how a server differs that no file declares. */
export const inNoFile = 'it is in none of the files';

export type PageState = {
  readonly v: 1;
  /** Of looms. */
  readonly version: string;
  readonly project: ProjectName;
  /** `failure`: it does not answer; what else is told is what was known last. */
  readonly engine: {
    readonly name: string;
    readonly kind: string;
    readonly version: string;
    readonly failure: Failure | null;
  };
  readonly source: PageSource | Unknown;
  /** In the audit trail and in rules; `local`: the user of the gateway. */
  readonly principal: string;
  /** In the whole project. */
  readonly may: PageRights & {
    /** Approve the plan that waits. */
    readonly approve: boolean;
  };
  /** Those that fire first. */
  readonly alerts: readonly PageAlert[];
  /** Sorted by name; those that may be seen. */
  readonly servers: readonly PageServer[];
  /** Unknown, too, to whoever may not see all servers that it could be about. */
  readonly plan: PagePlan | Unknown;
  /** Tools by their calls of the last hour through this machine, the most called first, at most 50. */
  readonly tools: readonly PageToolUse[];
};

/** Where the specs come from. */
export type PageSource = {
  readonly kind: 'git' | 'files';
  readonly commits: readonly string[];
  /** Who made the one commit, and whether it is signed; of a repository that is followed. */
  readonly commitBy: string | null;
  /** When the files, or the repository, could last be read. */
  readonly readAt: string | null;
};

/** A rule of `alerts` in looms.yaml that is not calm. */
export type PageAlert = {
  /** As it is written. */
  readonly rule: string;
  /** Null: it is about the project. */
  readonly server: ServerName | null;
  readonly state: 'pending' | 'firing' | 'unknown';
  readonly since: string;
  /** What it is now, for people: `93 %`. */
  readonly value: string;
};

/** What a server is to the loop. */
export type PageHealth = {
  readonly state: (typeof loopStates)[number];
  /** Why, in one line; empty when there is nothing to say. */
  readonly detail: string;
  /** When it was last asked; null: never. */
  readonly checkedAt: string | null;
};

export type PageServer = {
  readonly name: ServerName;
  readonly description: string | null;
  /** As `looms get` has it; null: it is declared and not there. */
  readonly state: ServerState | null;
  readonly health: PageHealth;
  /** Null: it is declared and not there. */
  readonly generation: number | null;
  readonly image: string | null;
  readonly transport: string;
  readonly createdAt: string | null;
  readonly restarts: number;
  /** File, line and commit that its container was made from. */
  readonly source: string | null;
  /** What `diff` says of it. */
  readonly drift: PageDrift | Unknown;
  readonly limits: PageLimits | null;
  /** Sessions that are open, whoever has them; null: not measured yet. */
  readonly sessions: number | null;
  /** Calls of the last minute through this machine; null when its ledger cannot be read. */
  readonly callsPerMinute: number | null;
  /** The newest measurement; null where it does not run, or was not measured yet. */
  readonly use: PageUse | null;
  /** Of this server. */
  readonly may: PageRights;
};

/** How a server differs from what is declared. */
export type PageDrift = {
  readonly kind: 'known';
  /** As a plan has it: unchanged, create, replace, start, stop, rename, clean-up, remove, blocked. */
  readonly action: Change['action'];
  /** Fields that somebody changed outside looms. */
  readonly fields: number;
  /** In one line, as `diff` has it: `replace without downtime: the spec changed`; empty when it is as declared. */
  readonly text: string;
};

export type PageLimits = {
  readonly cpuCores: number | null;
  readonly memoryBytes: number | null;
  readonly processes: number | null;
};

/** What a server takes. */
export type PageUse = {
  /** Since the measurement before; null in the first one of a container. */
  readonly cpuCores: number | null;
  readonly memoryBytes: number;
  readonly processes: number;
};

/** One measurement of all servers that run. */
export type PageSample = {
  readonly at: string;
  readonly servers: readonly (PageUse & {
    readonly name: ServerName;
    readonly sessions: number;
    /** Of the minute before; null when the ledger cannot be read. */
    readonly callsPerMinute: number | null;
  })[];
};

/** How often a tool was called in the last hour, and what came of it. */
export type PageToolUse = {
  readonly server: ServerName;
  readonly tool: string;
  readonly calls: number;
  readonly failed: number;
  /** Half of those that ended were faster, and 95 of 100; null: none has ended. */
  readonly medianMs: number | null;
  readonly p95Ms: number | null;
};

/** The plan that waits: what `apply` would do now. */
export type PagePlan = {
  readonly kind: 'known';
  /** What approving it names: `POST /page/plan {digest}`. */
  readonly digest: string;
  /** Whether there is anything to do. */
  readonly inSync: boolean;
  /** As `diff` counts: `1 to replace, 4 unchanged`; empty when nothing is to be done. */
  readonly totals: string;
  /** As `looms diff` prints it, without colours. */
  readonly text: string;
  /** Why it is not carried out by itself: `--dry-run`, a person's stop, a pause between repairs; per server where it is about one. */
  readonly waits: readonly { readonly server: ServerName | null; readonly why: string }[];
  /** It is being carried out now. */
  readonly running: boolean;
};

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

/** `GET /page/servers/NAME`. */
export type PageServerDetail = {
  readonly name: ServerName;
  /** Steps of the last probe, or of the last `looms mcp health`; empty where nobody asked since the gateway began. */
  readonly probe: readonly {
    readonly name: string;
    readonly result: 'ok' | 'failed' | 'skipped';
    readonly milliseconds: number | null;
  }[];
  readonly health: PageHealth;
  readonly diff: PageServerDiff | Unknown;
  /** Newest first. */
  readonly history: readonly PageGeneration[];
  readonly container: {
    readonly id: ContainerId;
    readonly name: string;
    readonly imageId: string;
    readonly user: string;
    readonly command: readonly string[];
    readonly startedAt: string | null;
    readonly exitCode: number | null;
    readonly networks: readonly string[];
    readonly egress: readonly string[];
    readonly secrets: readonly string[];
    readonly rotatesAt: string | null;
    /** Calls until it is replaced; null: as many as one likes, or the ledger cannot be read. */
    readonly callsLeft: number | null;
    readonly executionTimeoutSeconds: number | null;
    readonly maxExecutions: number | null;
  } | null;
  /** The recorded spec as YAML; null when its record cannot be read, or it is not there. */
  readonly spec: string | null;
  /** Behind the filter of its spec. */
  readonly tools: { readonly kind: 'known'; readonly list: readonly PageTool[] } | Unknown;
  /** Open sessions of clients of this gateway, as far as they may be seen. */
  readonly sessions: readonly { readonly principal: string; readonly count: number }[];
};

export type PageServerDiff = {
  readonly kind: 'known';
  readonly action: Change['action'];
  /** In one line. */
  readonly text: string;
  /** From what is to what shall be. */
  readonly fields: readonly FieldDifference[];
  /** What somebody changed outside looms: `from` is what was found, `to` what was declared. */
  readonly drift: readonly FieldDifference[];
};

export type PageGeneration = {
  readonly generation: number;
  /** How it is doing, or how it ended. */
  readonly state: string;
  readonly live: boolean;
  readonly image: string;
  readonly since: string | null;
  readonly until: string | null;
  readonly source: string | null;
  readonly failure: string | null;
  readonly changes: readonly FieldDifference[] | null;
};

export type PageTool = {
  readonly name: string;
  readonly title: string | null;
  readonly description: string | null;
  /** JSON Schema, as the server wrote it. */
  readonly inputSchema: unknown;
  readonly annotations: Readonly<Record<string, unknown>> | null;
  /** Whether whoever looks may call it. */
  readonly callable: boolean;
};

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
  readonly notices: readonly string[];
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

/** What is at each address: what it takes, and what it answers; of a stream its events. */
export type PageRoutes = {
  'POST /page/code': { readonly answers: PageCode };
  'POST /page/session': { readonly takes: PageLogin; readonly answers: PageSession };
  /** 204, with no body. */
  'DELETE /page/session': { readonly answers: undefined };
  'GET /page/stream': { readonly tells: PageMessage };
  'GET /page/log': { readonly tells: PageLogMessage };
  'GET /page/servers/NAME': { readonly answers: PageServerDetail };
  'GET /page/audit': { readonly answers: PageAudit };
  'POST /page/call': { readonly takes: PageCall; readonly answers: PageCallResult };
  'POST /page/act': { readonly takes: PageAct; readonly answers: PageDone };
  'POST /page/plan': { readonly takes: PageApproval; readonly answers: PageDone };
};
