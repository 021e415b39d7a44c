import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { Leg } from '../leg/leg.ts';

/**
 * How long nothing has to be asked of a process before it makes room for another one, ms: where its client listens, and may
 * be about to go on, and where not. Between the calls of one client lies less.
 */
const heardIdleMs = 30_000;
const unheardIdleMs = 1_000;

/** A conversation that may do without its process for a while; `isHeard`: its client listens. */
export type Parkable = { readonly leg: Leg; readonly isHeard: boolean };

/** What is open to a server for whoever comes next, and nobody's conversation. */
export type Spare = {
  readonly server: ServerName;
  readonly endOldest: () => Promise<void>;
  /** How many of them are in a container. */
  readonly countIn: (container: ContainerId) => number;
  /** Ends all that are kept in these containers. */
  readonly endIn: (containers: readonly ContainerId[]) => Promise<void>;
  /** How long none of them was used, ms. */
  readonly idleMs: () => number;
};

/**
 * Makes room in the container of a server for one more process, where another one waits for it: the one goes of which
 * nothing was asked for the longest time. Its conversation goes on, with another process once it is used. One at a time, as a
 * process takes its time to end.
 */
export function createRoomMaker(
  spare: () => readonly Pick<Spare, 'server' | 'endOldest'>[],
  conversations: () => readonly Parkable[],
): (server: ServerName) => void {
  const ending = new Set<ServerName>();
  const end = (server: ServerName, ended: Promise<void>): void => {
    ending.add(server);
    const release = (): void => void ending.delete(server);
    ended.then(release, release);
  };
  return (server) => {
    if (ending.has(server)) return;
    const one = spare().find((each) => each.server === server);
    if (one !== undefined) return end(server, one.endOldest());
    const idle = conversations()
      .filter(({ leg, isHeard }) => leg.server === server && leg.idleMs() >= (isHeard ? heardIdleMs : unheardIdleMs))
      .sort((a, b) => Number(a.isHeard) - Number(b.isHeard) || b.leg.idleMs() - a.leg.idleMs());
    for (const { leg } of idle) {
      const ended = leg.park();
      if (ended !== undefined) return end(server, ended);
    }
  };
}
