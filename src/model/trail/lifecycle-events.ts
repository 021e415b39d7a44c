import type { AlertEnd } from '../alerts.ts';
import type { EngineEvent } from '../engine-events.ts';
import type { ContainerId, ProjectName, ServerName } from '../ids.ts';
import type { Reason } from '../plan.ts';
import type { ChangeTrigger, GenerationStep } from './audit.ts';

/** Something that happened to a server (docs/commands.md, `looms events`). */
export type LifecycleEvent = EngineTold | LoomsDid | AlertTold;

type About = {
  /** Version of this form. */
  readonly v: 1;
  /** A ULID: sorts by time, and is the same each time that the event is told. */
  readonly id: string;
  /** RFC 3339, UTC, with milliseconds; of a change when it ended. */
  readonly ts: string;
  readonly project: ProjectName;
  readonly server: ServerName;
};

/** What the engine told of a container; `ts` is on its clock. */
export type EngineTold = About & {
  readonly source: 'engine';
  readonly type: EngineEvent['type'];
  readonly generation: number;
  readonly container: ContainerId;
  readonly containerName: string;
  /** Of one that ended. */
  readonly exitCode?: number;
  /** What its HEALTHCHECK says now. */
  readonly health?: string;
};

/** What looms did with a server, from the audit trail of this machine. */
export type LoomsDid = About & {
  readonly source: 'looms';
  readonly type: 'changed';
  /** As a plan has it: create, replace, start, stop, rename, clean-up, scale, remove, blocked. */
  readonly action: string;
  /** Absent in records of earlier versions. */
  readonly gen?: GenerationStep;
  /** Why; none in records of earlier versions. */
  readonly reasons: readonly Reason[];
  /** The change in the audit trail: the same for all servers that were changed at once. */
  readonly run: string;
  readonly cause: {
    /** What had it made; absent in records of earlier versions. */
    readonly trigger?: ChangeTrigger;
    /** Without its arguments: `looms apply`. */
    readonly command: string;
    /** Whom a gateway made it for, else `user@host`. */
    readonly principal: string;
    /** The event of the engine before it, by its id, where a loop heard one. */
    readonly event?: string;
    /** Where the server was declared. */
    readonly file?: string;
    readonly line?: number;
    readonly commit?: string;
    /** Who made that commit, and who vouches for that; of a repository that is followed. */
    readonly author?: string;
  };
  /** What became of this server; `running`: it goes on; `unknown`: its program ended before it could tell. */
  readonly result: string;
  readonly code?: string;
  readonly message?: string;
  /** How long the whole change took. */
  readonly ms?: number;
  /** The trace that its spans are in. */
  readonly traceId?: string;
};

/** What a loop of this machine saw an alert do. */
export type AlertTold = About & {
  readonly source: 'looms';
  readonly type: 'alert';
  /** As it is written in looms.yaml. */
  readonly rule: string;
  readonly state: 'firing' | 'resolved';
  /** What it was then, for people: `93 %`. */
  readonly value: string;
  /** Why it resolved where it was not by its number. */
  readonly why?: AlertEnd;
};
