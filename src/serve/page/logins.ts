import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PageRoutes } from '../../model/page/routes.ts';
import type { Grant } from '../access/guard.ts';
import { rightsOf } from './rights.ts';

type Session = PageRoutes['POST /page/session']['answers'];

/** How long a code may be redeemed, ms, and how many may wait for that. */
const codeMs = 60_000;
const mostCodes = 16;
/** How long a session lasts, ms: a working day. */
const sessionMs = 12 * 3_600_000;
/** Sessions of one principal, of which the oldest goes, and of all, where none goes for somebody else's. */
const mostEach = 16;
const mostSessions = 256;

/** Who logged in to the page. All of it is in memory, and over with the gateway. */
export type Logins = {
  /** A code that lets its bearer in once, within 60 s. Where too many wait, the oldest is none any more. */
  readonly makeCode: () => string;
  /** Whether a text is a code that waits; the code is used up by that. How long the answer takes says nothing of any code. */
  readonly redeem: (code: string) => boolean;
  /** Opens a session with what was granted; undefined where there are too many. */
  readonly open: (grant: Grant) => Session | undefined;
  /** What was granted to the bearer of a session's key, as long as it holds. */
  readonly find: (key: string) => Grant | undefined;
  /** Ends the session of a key, if there is one. */
  readonly close: (key: string) => void;
};

type Clock = {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
};

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The logins of one gateway: none at first. */
export function createLogins(
  { now, monotonicMs }: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() },
): Logins {
  let codes: readonly { readonly digest: Buffer; readonly until: number }[] = [];
  /** By the digest of the key, so that how long it takes to find one says nothing of it; the oldest first. */
  const sessions = new Map<string, Grant & { readonly of: string }>();
  const idOf = (key: string): string => digestOf(key).toString('hex');
  const forgetEnded = (): void => {
    for (const [id, { endsAt, isValid }] of sessions) if (endsAt <= now() || !isValid()) sessions.delete(id);
  };
  return {
    makeCode() {
      const code = randomBytes(32).toString('base64url');
      const waiting = codes.filter(({ until }) => until > monotonicMs()).slice(-(mostCodes - 1));
      codes = [...waiting, { digest: digestOf(code), until: monotonicMs() + codeMs }];
      return code;
    },
    redeem(code) {
      const digest = digestOf(code);
      // All of them are compared, and each in constant time.
      const found = codes.filter((one) => timingSafeEqual(one.digest, digest));
      codes = codes.filter((one) => !found.includes(one));
      return found.some(({ until }) => until > monotonicMs());
    },
    open(grant) {
      forgetEnded();
      const of = `${grant.kind} ${grant.name}`;
      const [oldest, ...others] = [...sessions].filter(([, one]) => one.of === of).map(([id]) => id);
      if (oldest !== undefined && others.length + 1 >= mostEach) sessions.delete(oldest);
      if (sessions.size >= mostSessions) return undefined;
      const token = `page_${randomBytes(32).toString('base64url')}`;
      const id = idOf(token);
      const endsAt = Math.min(grant.endsAt, now() + sessionMs);
      const isValid = (): boolean => sessions.has(id) && grant.isValid();
      sessions.set(id, { ...grant, endsAt, isValid, of });
      return { token, principal: grant.name, may: rightsOf(grant), expiresAt: new Date(endsAt).toISOString() };
    },
    find(key) {
      const found = sessions.get(idOf(key));
      return found?.isValid() && found.endsAt > now() ? found : undefined;
    },
    close: (key) => void sessions.delete(idOf(key)),
  };
}
