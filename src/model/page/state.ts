import type { Failure } from '../events.ts';
import type { loopStates } from '../health.ts';
import type { ProjectName, ServerName } from '../ids.ts';
import type { Change } from '../plan.ts';
import type { ServerState } from '../server-view.ts';

// How everything is now, as the page of `looms serve` is told of it (docs/page.md).

/** What cannot be told, and why, in words for people: `no files are watched: looms serve --watch -f …`. */
export type Unknown = { readonly kind: 'unknown'; readonly why: string };

/** Why nothing is known of how a server differs that no file declares. */
export const inNoFile = 'it is in none of the files';

/** What somebody may do of what the page offers, by their scopes (docs/spec.md, `serve.tokens`). */
export type PageRights = {
  readonly logs: boolean;
  readonly audit: boolean;
  /** Start, stop, restart. */
  readonly operate: boolean;
};

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
  /** As a plan has it: unchanged, create, replace, start, stop, rename, clean-up, scale, remove, blocked. */
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
  /** Since the measurement before, or as a cluster's metrics API has it; null where neither is known, as in the first one. */
  readonly cpuCores: number | null;
  readonly memoryBytes: number;
  readonly processes: number | null;
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
