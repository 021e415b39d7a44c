import { randomUUID } from 'node:crypto';
import type { Face } from './face.ts';
import type { LegHooks } from './leg.ts';
import { createSession, type Session } from './session.ts';
import type { Upstreams } from './upstreams.ts';

/** What sessions may take. */
export type SessionBounds = {
  /** How long one without use is kept, ms; one whose client listens is in use. */
  readonly idleMs: number;
  readonly most: number;
  /** Of one principal. */
  readonly mostEach: number;
};

export type Sessions = {
  /** Makes one, in the place of the least recently used where there are too many; undefined when all are busy. */
  readonly open: (principal: string, path: string, faceOf: (heard: LegHooks) => Face) => Session | undefined;
  /** The session of an id, for who began it, at the address where it was begun. */
  readonly find: (id: string, principal: string, path: string) => Session | undefined;
  readonly end: (session: Session) => Promise<void>;
  readonly all: () => readonly Session[];
  /** Ends those that nobody has used for long. */
  readonly sweep: () => void;
};

/** The sessions of a gateway. Most clients never end theirs, so that they go by disuse. */
export function createSessions(
  upstreams: Upstreams,
  { idleMs, most, mostEach }: SessionBounds,
  now: () => number = () => performance.now(),
): Sessions {
  const byId = new Map<string, Session>();
  const end = async (session: Session): Promise<void> => {
    byId.delete(session.id);
    await session.close();
  };
  /** Makes room among these; false where each has something under way. */
  const makeRoom = (among: readonly Session[], limit: number): boolean => {
    if (among.length < limit) return true;
    const free = among.filter((session) => !session.isBusy()).sort((a, b) => a.lastUse() - b.lastUse());
    const [oldest] = free;
    if (oldest === undefined) return false;
    end(oldest);
    return true;
  };
  const ofPrincipal = (principal: string): readonly Session[] =>
    [...byId.values()].filter((session) => session.principal === principal);
  return {
    open(principal, path, faceOf) {
      if (!makeRoom(ofPrincipal(principal), mostEach) || !makeRoom([...byId.values()], most)) return undefined;
      const session = createSession({ id: randomUUID(), principal, path }, upstreams, faceOf);
      byId.set(session.id, session);
      return session;
    },
    find(id, principal, path) {
      const session = byId.get(id);
      return session?.principal === principal && session.path === path ? session : undefined;
    },
    end,
    all: () => [...byId.values()],
    sweep() {
      for (const session of byId.values()) {
        if (!session.isBusy() && !session.isListening() && now() - session.lastUse() > idleMs) end(session);
      }
    },
  };
}
