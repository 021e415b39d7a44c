import { randomUUID } from 'node:crypto';
import { isRecord } from '../../model/values/is-record.ts';
import type { Guard } from '../access/guard.ts';
import type { Face } from '../face.ts';
import type { LegHooks } from '../leg/leg.ts';
import { paramsOf } from '../messages/message.ts';
import type { Fields, Message } from '../messages/protocol.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Seal } from './seal.ts';
import { type Audience, createSession, type Session, type Terms } from './session.ts';

/** What sessions may take. */
export type SessionBounds = {
  /** How long one without use is kept, ms; one whose client listens is in use. */
  readonly idleMs: number;
  readonly most: number;
  /** Of one principal. */
  readonly mostEach: number;
};

/** Whose a session is, where it is begun, and what it shows. */
export type SessionPlace = {
  /** The key of its guard. */
  readonly principal: string;
  readonly guard: Guard;
  readonly path: string;
  readonly faceOf: (heard: LegHooks) => Face;
};

export type Sessions = {
  /**
   * Makes one, in the place of the least recently used where there are too many; undefined when all are busy, or too many of
   * its principal's are on their way out. Its id holds
   * the `initialize` that it is begun with, so that a gateway that is started anew can begin it again; one with an audience
   * has no client that could come back to it.
   */
  readonly open: (place: SessionPlace, begunWith: Message | Audience) => Session | undefined;
  /** The session of an id, for who began it, at the address where it was begun; it lives by the token of this request too. */
  readonly find: (id: string, place: Omit<SessionPlace, 'faceOf'>) => Session | undefined;
  /**
   * The same, and one of a gateway that is gone, begun again. Undefined also where there is no room for it. Throws what
   * opening a server throws.
   */
  readonly findOrBegin: (id: string, place: SessionPlace) => Promise<Session | undefined>;
  /**
   * Ends the session of an id for good, and one of a gateway that is gone without beginning it again. False for an id that is
   * nobody's, or somebody else's.
   */
  readonly findAndEnd: (id: string, place: Omit<SessionPlace, 'faceOf'>) => Promise<boolean>;
  readonly has: (session: Session) => boolean;
  /** Ends one for good: its id begins none any more, in no later gateway either. */
  readonly end: (session: Session) => Promise<void>;
  /** Closes all with their gateway; the next one may go on with them. */
  readonly close: () => Promise<void>;
  readonly all: () => readonly Session[];
  /** Ends those that nobody has used for long, and those of principals whose token is none any more. */
  readonly sweep: () => void;
};

/** What is noted of the session of an id, in this gateway and in those that come after it; of letters, digits, `-` and `_`. */
export type SessionNotes = {
  readonly of: (id: string) => string | undefined;
  readonly write: (id: string, text: string) => void;
};
const noNotes: SessionNotes = { of: () => undefined, write: () => {} };
/** The note of a session that is over; any other one is its sealed terms. */
const over = 'over';

/** Longest handshake that an id holds, characters: it is a header of each request. One with more ends with the gateway. */
const maxHandshake = 4_000;
/** Longest terms that are noted, characters: of a session with more those noted last are repeated in a gateway after this one. */
const maxTerms = 8_000;

/** The terms of a session that were noted; none where that is another one's. */
function termsIn(id: string, noted: Fields | undefined): Terms {
  if (noted?.id !== id) return { uris: [] };
  const uris = Array.isArray(noted.uris) ? noted.uris.filter((uri) => typeof uri === 'string') : [];
  return { uris, ...(typeof noted.level === 'string' ? { level: noted.level } : {}) };
}

/** The sessions of a gateway. Most clients never end theirs, so that they go by disuse. */
export function createSessions(
  upstreams: Upstreams,
  { idleMs, most, mostEach }: SessionBounds,
  seal: Seal,
  notes: SessionNotes = noNotes,
  now: () => number = () => performance.now(),
): Sessions {
  /** Of this gateway: what it has ended is over, where one of an earlier gateway may go on. */
  const run = randomUUID();
  const byId = new Map<string, Session>();
  /** On their way out, with processes that may take a while to end. */
  const closing = new Set<Session>();
  const beginning = new Map<string, Promise<Session | undefined>>();

  const close = async (session: Session): Promise<void> => {
    byId.delete(session.id);
    closing.add(session);
    await session.close().finally(() => closing.delete(session));
  };
  const end = async (session: Session): Promise<void> => {
    // Another id begins nothing.
    if (isRecord(seal.open('session', session.id)?.params)) notes.write(session.id, over);
    await close(session);
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
  const ofPrincipal = (principal: string, among: Iterable<Session> = byId.values()): readonly Session[] =>
    [...among].filter((session) => session.principal === principal);
  /** Whoever begins sessions faster than they end waits, so that its processes are never more than twice its sessions. */
  const isTooFast = (principal: string): boolean => ofPrincipal(principal, closing).length >= mostEach;
  const open = (id: string, place: SessionPlace, audience?: Audience): Session | undefined =>
    !isTooFast(place.principal) &&
    makeRoom(ofPrincipal(place.principal), mostEach) &&
    makeRoom([...byId.values()], most)
      ? make(id, place, audience)
      : undefined;
  const make = (id: string, { guard, path, faceOf }: SessionPlace, audience?: Audience): Session => {
    const note = (terms: Terms): void => {
      const text = seal.close('terms', { id, ...terms });
      if (text.length <= maxTerms) notes.write(id, text);
    };
    const session = createSession(
      { id, guard, path },
      upstreams,
      faceOf,
      audience === undefined ? { note } : { audience },
    );
    byId.set(session.id, session);
    return session;
  };
  const sealed = ({ principal, path }: SessionPlace, handshake: Message): string => {
    const params = paramsOf(handshake);
    const isLong = JSON.stringify(params).length > maxHandshake;
    return seal.close('session', { run, principal, path, ...(isLong ? {} : { params }) });
  };
  /** What a session of an earlier gateway was begun with there; undefined where nothing can go on with it. */
  const begunBefore = (id: string, { principal, path }: Omit<SessionPlace, 'faceOf'>): Fields | undefined => {
    const known = notes.of(id) === over ? undefined : seal.open('session', id);
    if (known === undefined || known.run === run || !isRecord(known.params)) return undefined;
    return known.principal === principal && known.path === path ? known.params : undefined;
  };
  const beginAgain = async (id: string, place: SessionPlace): Promise<Session | undefined> => {
    const params = begunBefore(id, place);
    if (params === undefined) return undefined;
    // It takes the place of no other one: clients that are long gone ask for their streams again and again.
    if (byId.size >= most || ofPrincipal(place.principal).length >= mostEach) return undefined;
    const session = make(id, place);
    const noted = notes.of(id);
    try {
      const handshake = { jsonrpc: '2.0', id: 0, method: 'initialize', params } as const;
      await session.beginAgain(handshake, termsIn(id, noted === undefined ? undefined : seal.open('terms', noted)));
      return session;
    } catch (error) {
      // It may be begun when its client asks the next time.
      await close(session);
      throw error;
    }
  };
  const find: Sessions['find'] = (id, { principal, guard, path }) => {
    const session = byId.get(id);
    if (session?.principal !== principal || session.path !== path) return undefined;
    session.renew(guard);
    return session;
  };

  return {
    open: (place, begunWith) =>
      'hear' in begunWith
        ? open(randomUUID(), place, begunWith as Audience)
        : open(sealed(place, begunWith as Message), place),
    find,
    async findOrBegin(id, place) {
      const { principal, path } = place;
      // Whoever else has the id is no reason to wait.
      const whose = JSON.stringify([id, principal, path]);
      const under = beginning.get(whose);
      if (under === undefined && byId.has(id)) return find(id, place);
      const begun = under ?? beginAgain(id, place).finally(() => beginning.delete(whose));
      beginning.set(whose, begun);
      await begun;
      return find(id, place);
    },
    async findAndEnd(id, place) {
      const session = find(id, place);
      if (session === undefined && begunBefore(id, place) === undefined) return false;
      if (session === undefined) notes.write(id, over);
      else await end(session);
      return true;
    },
    has: (session) => byId.get(session.id) === session,
    end,
    close: async () => void (await Promise.all([...byId.values()].map(close))),
    all: () => [...byId.values()],
    sweep() {
      for (const session of byId.values()) {
        if (!session.isValid()) end(session);
        else if (!session.isBusy() && !session.isListening() && now() - session.lastUse() > idleMs) end(session);
      }
    },
  };
}
