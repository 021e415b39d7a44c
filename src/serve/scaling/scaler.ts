import { messageOf } from '../../model/failure.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { boundsOf, type OwnSessions, within } from '../../model/replicas.ts';
import type { Parkable, Spare } from '../sessions/room.ts';
import type { ScaledServer, Upstreams } from '../upstreams.ts';
import { mostNeeded, type Needs, needOf, noted } from './needs.ts';

/** How often is looked which servers are scaled, and how many containers they have, ms: where some are, and where none is. */
const lookEveryMs = 5_000;
const restEveryMs = 60_000;
/** How long after a try that came to nothing the next one is made, ms: the shortest time, and the longest. */
const [shortestAgainMs, longestAgainMs] = [2_000, 60_000];

type State = ScaledServer & { readonly needs: Needs; readonly isScaling: boolean; readonly notBefore: number };

type ScalerParts = {
  /** How many processes and connections are open with a server. */
  readonly openOf: (server: ServerName) => number;
  /** How many of them are in a container of it, those that are perhaps just being opened there included. */
  readonly openIn: (server: ServerName, container: ContainerId) => number;
  /** Conversations that may do without their process for a while. */
  readonly conversations: () => readonly Parkable[];
  /** What else is open with servers, and nobody uses just now. */
  readonly spare: () => readonly Spare[];
  /** Says what somebody who runs the gateway should know; foreign text in it. */
  readonly log: (text: string) => void;
  /** On a clock that never goes back, ms. */
  readonly now: () => number;
};

export type Scaler = {
  /** To be called about once a second. Does not throw. */
  readonly tick: () => void;
  /** Something of a server has changed: it may be scaled by now. */
  readonly changed: () => void;
};

/**
 * Has each server that is scaled have as many containers as its sessions need: more at once, fewer once that was enough for
 * all of `idle_seconds`. A session of which nothing was asked for so long needs none: where its container is to go, its process
 * ends, and begins anew once it is used. What else is in the containers stays (`Orchestrator.scale`).
 */
export function createScaler(
  upstreams: Pick<Upstreams, 'scaled' | 'scale'>,
  { openOf, openIn, conversations, spare, log, now }: ScalerParts,
): Scaler {
  let servers = new Map<ServerName, State>();
  let isLooking = false;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let lookAt = Number.NEGATIVE_INFINITY;

  const change = (server: ServerName, more: Partial<State>): void => {
    const known = servers.get(server);
    if (known !== undefined) servers.set(server, { ...known, ...more });
  };
  const look = async (): Promise<void> => {
    isLooking = true;
    try {
      const found = await upstreams.scaled();
      const fresh = { needs: [], isScaling: false, notBefore: Number.NEGATIVE_INFINITY };
      servers = new Map(
        found.map((one) => {
          const known = servers.get(one.server);
          if (known === undefined) return [one.server, { ...one, ...fresh }];
          // What it is just asked for is known better than it was seen.
          if (known.isScaling) return [one.server, { ...known, scale: one.scale }];
          // Somebody else asked for more, and is about to use it.
          const isMore = one.asked > known.asked;
          const needs = isMore ? noted(known.needs, now(), one.asked, one.scale.idleSeconds * 1000) : known.needs;
          return [one.server, { ...known, ...one, needs }];
        }),
      );
    } catch {
      // The engine is away, which those tell who need it.
    } finally {
      isLooking = false;
      lookedAt = now();
      lookAt = lookedAt + (servers.size > 0 ? lookEveryMs : restEveryMs);
    }
  };

  const idleIn = ({ server, scale }: ScaledServer): readonly Parkable[] =>
    conversations().filter(
      ({ leg }) => leg.server === server && leg.idleMs() >= scale.idleSeconds * 1000 && leg.parkable() !== undefined,
    );
  const isSpareUsed = ({ server, scale }: ScaledServer): boolean =>
    spare().some((one) => one.server === server && one.idleMs() < scale.idleSeconds * 1000);
  /** How many containers the sessions need that are in use. */
  const needed = (one: State): number => {
    const sessions = Math.max(0, openOf(one.server) - idleIn(one).length) + Number(isSpareUsed(one));
    return within(boundsOf({ replicas: 1, scale: one.scale }), needOf(sessions, one.scale.sessionsPerReplica));
  };
  /** What of a server is ours in its containers; what nobody uses ends where one shall go, and nowhere else. */
  const ownOf = (one: State): OwnSessions => {
    const spares = () => spare().filter(({ server }) => server === one.server);
    return {
      countIn(container) {
        const kept = spares().reduce((sum, { countIn }) => sum + countIn(container), 0);
        const idle = idleIn(one).filter(({ leg }) => leg.parkable() === container).length;
        return { all: openIn(one.server, container) + kept, idle: idle + kept };
      },
      async endIdle(containers) {
        const isThere = ({ leg }: Parkable): boolean => containers.some((container) => container === leg.parkable());
        const legs = idleIn(one).filter(isThere);
        await Promise.all([...legs.map(({ leg }) => leg.park()), ...spares().map(({ endIn }) => endIn(containers))]);
      },
    };
  };
  const scale = async (one: State, kind: 'up' | 'down', to: number): Promise<void> => {
    const { server } = one;
    change(server, { isScaling: true });
    const idleMs = one.scale.idleSeconds * 1000;
    const again = now() + Math.min(longestAgainMs, Math.max(shortestAgainMs, idleMs));
    try {
      const asked = await upstreams.scale(server, kind === 'up' ? { kind, to } : { kind, to, own: ownOf(one) });
      const isDone = kind === 'up' ? asked >= to : asked <= to;
      change(server, { asked, isScaling: false, ...(isDone ? {} : { notBefore: again }) });
      if (asked !== one.asked) log(saidOf(server, one.asked, asked));
    } catch (error) {
      change(server, { isScaling: false, notBefore: again });
      log(`${server} cannot be scaled to ${to}: ${messageOf(error)}`);
    }
  };
  const tend = (before: State): void => {
    const at = now();
    const lookBackMs = before.scale.idleSeconds * 1000;
    const need = needed(before);
    const one: State = { ...before, needs: noted(before.needs, at, need, lookBackMs) };
    servers.set(one.server, one);
    if (one.isScaling || at < one.notBefore) return;
    if (need > one.asked) return void scale(one, 'up', need);
    const most = mostNeeded(one.needs, at, lookBackMs);
    if (most !== undefined && most < one.asked) scale(one, 'down', most);
  };

  return {
    tick() {
      if (!isLooking && now() >= lookAt) look();
      for (const one of [...servers.values()]) tend(one);
    },
    changed() {
      lookAt = Math.min(lookAt, lookedAt + lookEveryMs);
    },
  };
}

const saidOf = (server: ServerName, from: number, to: number): string =>
  to === 0 ? `${server} falls asleep: it has no sessions` : `${server} is scaled from ${from} to ${to}`;
