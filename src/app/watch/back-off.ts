import type { Findings } from '../../model/trail/findings.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';

/** First and longest wait between repairs, ms, and how much of it is left to chance (docs/commands.md, "Keeping it so"). */
const firstMs = 2_000;
const longestMs = 300_000;
const jitter = 0.25;
/** After how long without another repair a server is as one that never needed any, ms. */
const forgottenMs = 600_000;

type Waiting = { readonly hash: string; readonly repairs: number; readonly until: number; readonly why: string };

export type BackOff = {
  /** A repair of this spec of a server was tried; how long is waited before the next one, ms. */
  readonly repaired: (
    server: string,
    hash: string,
    end: { readonly ok: boolean; readonly why: string },
  ) => Promise<number>;
  /** What is still waited for; undefined once it is over, or where the spec is another one by now. */
  readonly waiting: (server: string, hash: string) => Promise<(Waiting & { readonly forMs: number }) | undefined>;
};

/**
 * How long a server is left alone between repairs: none after the first one that succeeded, then doubling up to five
 * minutes, so that nothing is made again and again that does not last, be it that it fails or that somebody reverts it.
 * Kept in the memory of this machine: a restart of the loop is no way around it. A new spec begins anew.
 */
export function createBackOff(
  project: string,
  { memory, now, random }: { readonly memory: Findings; readonly now: () => number; readonly random: () => number },
): BackOff {
  const known = new Map<string, Waiting | undefined>();
  const keyOf = (server: string): string => `watch ${project} ${server}`;
  const look = async (server: string): Promise<Waiting | undefined> => {
    if (!known.has(server)) known.set(server, waitingOf(await memory.recall(keyOf(server))));
    return known.get(server);
  };
  return {
    async repaired(server, hash, { ok, why }) {
      const before = await look(server);
      const counts = before?.hash === hash && now() - before.until < forgottenMs;
      const repairs = counts ? before.repairs + 1 : 1;
      const doublings = Math.min(repairs - (ok ? 2 : 1), 20);
      const plain = doublings < 0 ? 0 : Math.min(longestMs, firstMs * 2 ** doublings);
      const waitMs = Math.round(plain * (1 + jitter * (2 * random() - 1)));
      const waiting = { hash, repairs, until: now() + waitMs, why };
      known.set(server, waiting);
      await memory.remember(keyOf(server), JSON.stringify(waiting));
      return waitMs;
    },
    async waiting(server, hash) {
      const waiting = await look(server);
      if (waiting === undefined || waiting.hash !== hash) return undefined;
      const forMs = waiting.until - now();
      // A clock that was set back would make a wait as long as that; so would whoever can write the ledger.
      return forMs <= 0 || forMs > longestMs * (1 + jitter) ? undefined : { ...waiting, forMs };
    },
  };
}

/** What is remembered is a claim of whoever can write the ledger. */
function waitingOf(text: string | undefined): Waiting | undefined {
  const { hash, repairs, until, why } = (parsedJson(text) ?? {}) as Partial<Record<keyof Waiting, unknown>>;
  const isSound =
    typeof hash === 'string' &&
    typeof why === 'string' &&
    Number.isSafeInteger(repairs) &&
    Number(repairs) > 0 &&
    Number.isFinite(until);
  return isSound ? { hash, repairs: Number(repairs), until: Number(until), why } : undefined;
}
