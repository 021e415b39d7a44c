import type { ServerResponse } from 'node:http';
import type { ServeLimits } from '../../model/serve-settings.ts';

/** Whether a request of a principal may be taken; `done` when it is over. */
export type Taken =
  | { readonly taken: true; readonly done: () => void }
  | { readonly taken: false; readonly why: string; readonly retryAfterSeconds: number };

export type Limits = {
  /** Counts a request of a principal. */
  readonly take: (principal: string, isCall: boolean) => Taken;
};

/** Requests of one principal that may be under way where nothing is said: streams of 2026-07-28 are requests, too. */
const usualInFlight = 1_000;
/** How much one principal may have the gateway hold, bytes: of bodies until they are answered, of answers until they are read. */
const mostHeld = 256 * 1024 * 1024;

const minuteMs = 60_000;
/** Principals that are remembered before those without use are forgotten. */
const manyPrincipals = 1_000;

/**
 * Counts what principals take: calls by a bucket that fills again over a minute, so that a burst is as large as the limit.
 * `settings` may say something else later. In this one process there is nothing to share, and so nothing that a library for it would bring.
 */
export function createLimits(
  settings: { readonly limits: ServeLimits },
  now: () => number = () => performance.now(),
): Limits {
  const used = new Map<string, { calls: number; at: number; open: number }>();
  const leak = (one: { calls: number; at: number }): void => {
    const { callsPerMinute } = settings.limits;
    const at = now();
    // Calls from before a limit was set or lowered are no more than it lets through at once: else it would hold for hours.
    one.calls =
      callsPerMinute === undefined
        ? 0
        : Math.max(0, Math.min(one.calls, callsPerMinute) - ((at - one.at) * callsPerMinute) / minuteMs);
    one.at = at;
  };
  const sweep = (): void => {
    for (const [principal, one] of used) {
      leak(one);
      if (one.open === 0 && one.calls === 0) used.delete(principal);
    }
  };
  return {
    take(principal, isCall) {
      const { callsPerMinute, inFlight = usualInFlight } = settings.limits;
      if (used.size > manyPrincipals) sweep();
      const one = used.get(principal) ?? { calls: 0, at: now(), open: 0 };
      used.set(principal, one);
      leak(one);
      if (one.open >= inFlight) {
        return { taken: false, why: `${inFlight} requests of ${principal} are under way`, retryAfterSeconds: 1 };
      }
      if (isCall && callsPerMinute !== undefined && one.calls > callsPerMinute - 1) {
        const waitMs = ((one.calls - callsPerMinute + 1) * minuteMs) / callsPerMinute;
        const why = `${principal} may make ${callsPerMinute} calls a minute`;
        return { taken: false, why, retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) };
      }
      if (isCall) one.calls += 1;
      one.open += 1;
      let isOver = false;
      return {
        taken: true,
        done() {
          if (!isOver) one.open -= 1;
          isOver = true;
        },
      };
    },
  };
}

/** What one request makes the gateway hold; all of it is let go with its response. */
export type Load = {
  /** False where that is more than its principal may have held. */
  readonly add: (bytes: number) => boolean;
  readonly remove: (bytes: number) => void;
};

/** Counts what the gateway holds of each principal: whoever sends and does not read costs nobody else memory. */
export function createLoads(): (principal: string, response: ServerResponse) => Load {
  const held = new Map<string, number>();
  return (principal, response) => {
    let own = 0;
    let isOver = response.closed;
    const change = (bytes: number): boolean => {
      if (isOver) return true;
      own += bytes;
      const all = (held.get(principal) ?? 0) + bytes;
      if (all === 0) held.delete(principal);
      else held.set(principal, all);
      return all <= mostHeld;
    };
    response.once('close', () => {
      change(-own);
      isOver = true;
    });
    return { add: change, remove: (bytes) => void change(-bytes) };
  };
}
