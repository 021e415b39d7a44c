import { type Bounds, within } from '../../model/replicas.ts';

/** What is known where a server shall have fewer pods. */
export type Fewer = {
  /** How many it asks for, and how many are thought to be enough. */
  readonly asked: number;
  readonly to: number;
  readonly bounds: Bounds;
  readonly sessionsPerReplica: number;
  /** Sessions that are in each of its pods, whoever has them. */
  readonly sessions: readonly number[];
};

/**
 * How many pods a server is left with: one for each that has a session, so that none is ended or moved, and as many as all
 * sessions need. Never more than there are asked for.
 */
export function fewerPods({ asked, to, bounds, sessionsPerReplica, sessions }: Fewer): number {
  const busy = sessions.filter((count) => count > 0).length;
  const all = sessions.reduce((sum, count) => sum + count, 0);
  return Math.min(asked, within(bounds, Math.max(to, busy, Math.ceil(all / sessionsPerReplica))));
}
