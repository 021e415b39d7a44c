import type { AlertTurn } from '../alerts.ts';
import type { EngineTime } from '../engine.ts';
import type { EngineEvent } from '../engine-events.ts';
import type { HealthPlace } from '../health.ts';
import type { ContainerId, ServerName } from '../ids.ts';

/** A container whose log is kept here. */
export type LoggedContainer = {
  readonly container: ContainerId;
  readonly server: ServerName;
  readonly generation: number;
};

/** A line as it is kept, secrets masked. Times are the engine's. */
export type KeptLine = { readonly time: EngineTime; readonly stream: 'stdout' | 'stderr'; readonly text: string };

/** A line and which of its container's millisecond it is, from 0: one that is read again is known by that. */
export type CountedLine = KeptLine & { readonly n: number };

/** Which of the kept lines of a container are wanted; both ends inclusive. */
export type KeptQuery = {
  readonly streams: readonly KeptLine['stream'][];
  readonly since?: EngineTime;
  readonly until?: EngineTime;
  /** Only so many from the end, counted before one of the streams is chosen. */
  readonly tail?: number;
};

/** Logs and events that outlive their containers, kept on this machine: logs are 10 MB and 14 days of each server. */
export type LogKeeper = {
  /** The moment from which on a container's log is not kept yet; its line may be there already, and is not kept twice. */
  readonly keptUntil: (container: ContainerId) => Promise<EngineTime>;
  /** Keeps lines; those that are kept already stay as they are. Throws `ledger-unreadable`. */
  readonly keep: (at: HealthPlace, of: LoggedContainer, lines: readonly CountedLine[]) => Promise<void>;
  /** Containers of a project of which something is kept, oldest generation first. Throws `ledger-unreadable`. */
  readonly containers: (at: HealthPlace) => Promise<readonly LoggedContainer[]>;
  /** In the order in which they were written, as they are taken. Throws `ledger-unreadable`. */
  readonly lines: (container: ContainerId, query: KeptQuery) => AsyncIterable<KeptLine>;
  /** Keeps what an engine told, for 14 days, and the last 10,000 of each server; what is kept already stays as it is. Throws `ledger-unreadable`. */
  readonly keepEvents: (at: HealthPlace, events: readonly EngineEvent[]) => Promise<void>;
  /** Those that are kept from a moment on, oldest first; what is none is left out. Throws `ledger-unreadable`. */
  readonly events: (at: HealthPlace, since: EngineTime) => Promise<readonly EngineEvent[]>;
  /** Keeps what alerts did, as long as events, and the last 10,000 of a project. Throws `ledger-unreadable`. */
  readonly keepAlertTurns: (at: HealthPlace, turns: readonly AlertTurn[]) => Promise<void>;
  /** What they did from a moment on, ms since 1970, oldest first; the rest is left out. Throws `ledger-unreadable`. */
  readonly alertTurns: (at: HealthPlace, since: number) => Promise<readonly AlertTurn[]>;
};
