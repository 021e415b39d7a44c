import type { ContainerId, ServerName } from '../ids.ts';
import type { Change, FieldDifference } from '../plan.ts';
import type { PageHealth, Unknown } from './state.ts';

// What the page of `looms serve` is told of one server.

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
