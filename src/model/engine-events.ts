import type { EngineHealth, EngineTime } from './engine.ts';
import type { ContainerId, ServerName } from './ids.ts';

/** Events that need no more words. `oom`: the kernel ended something for lack of memory; the first process may live on. */
export type PlainEvent = 'created' | 'started' | 'paused' | 'unpaused' | 'renamed' | 'updated' | 'oom' | 'removed';

/** What an engine told of a container that says it is of a server: anybody can write labels. */
export type EngineEvent = {
  /** Tells it from every other event of its engine; the same each time that it is told. */
  readonly key: string;
  readonly time: EngineTime;
  readonly server: ServerName;
  readonly generation: number;
  readonly container: ContainerId;
  readonly containerName: string;
} & (
  | { readonly type: PlainEvent }
  /** Its process is gone. */
  | { readonly type: 'ended'; readonly exitCode: number }
  /** The HEALTHCHECK of its image says something else. */
  | { readonly type: 'health'; readonly health: EngineHealth }
);
