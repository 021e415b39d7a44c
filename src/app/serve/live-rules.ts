import type { OidcSettings, ServeSettings } from '../../model/serve-settings.ts';
import type { Bearers, Bearing, KnownToken } from '../../serve/access/bearers.ts';
import type { Guarding } from '../../serve/access/guard.ts';
import { readStill } from '../watch/read-still.ts';
import { saidOnce } from './said-once.ts';

/** `serve` of a looms.yaml, made ready to hold requests against. */
export type Rules = {
  readonly settings: ServeSettings;
  readonly guarding: Guarding;
  readonly tokens: readonly KnownToken[];
  /** Whom access tokens stand for, where an issuer is named. */
  readonly issued: Bearers | undefined;
};

/** How often the file is read without a hint that it changed, ms: secrets of tokens change elsewhere. */
const everyMs = 60_000;
/** How long a change is waited out, ms: who writes a file in place empties it first. */
const settleMs = 300;

/** What a program has to be started again for. */
const fixed = ['listen', 'tokenFile', 'publicUrl', 'aggregate', 'sessions', 'telemetry'] as const;

type Following = {
  /** Throws what keeps the file from being used; one that is gone is that, too. */
  readonly read: () => Promise<ServeSettings>;
  /** Throws what the stores of secrets throw. `before`: what holds now. */
  readonly ready: (settings: ServeSettings, before: Rules) => Promise<Rules>;
  /** Calls `changed` when the file may have changed, as long as the signal lets it. */
  readonly hints: (changed: () => void, signal: AbortSignal) => void;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (text: string) => void;
};

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/**
 * The rules of a program that runs on: a file that changed is read within a second, and every minute in any case. One that
 * cannot be used is said, once as long as it says the same, and leaves in force what was read last. Ends with the signal.
 */
export function followRules(
  first: Rules,
  { read, ready, hints, pause, log }: Following,
  signal: AbortSignal,
): { readonly now: () => Rules } {
  let held = first;
  const trouble = saidOnce(({ message, hint }) =>
    log(`${message} (${hint}); the rules of looms.yaml that were read last hold on`),
  );
  let wake = Promise.withResolvers<void>();
  const look = async (): Promise<void> => {
    try {
      const digestOf = (found: ServeSettings): string => JSON.stringify(found);
      const known = digestOf(held.settings);
      const settings = await readStill({ pause }, { read, digestOf, known, signal });
      const before = held;
      const next = await ready(settings, before);
      if (signal.aborted) return;
      held = next;
      trouble.worked();
      if (same(settings, before.settings)) return;
      const later = fixed.filter((name) => !same(settings[name], before.settings[name]));
      const rest = later.length === 0 ? '' : `; ${later.join(', ')} when it is started again`;
      log(`looms.yaml has changed: its rules hold from now on${rest}`);
    } catch (error) {
      if (!signal.aborted) trouble.failed(error);
    }
  };
  const follow = async (): Promise<void> => {
    hints(() => wake.resolve(), signal);
    while (!signal.aborted) {
      const waiting = new AbortController();
      await Promise.race([wake.promise, pause(everyMs, AbortSignal.any([signal, waiting.signal]))]);
      waiting.abort();
      if (signal.aborted) return;
      await pause(settleMs, signal);
      wake = Promise.withResolvers();
      await look();
    }
  };
  follow();
  return { now: () => held };
}

/** Whom tokens of the issuer stand for that is named now; what an earlier one granted is over with it. */
export function issuedNow(now: () => Rules): Bearers {
  return async (token): Promise<Bearing> => {
    const { issued } = now();
    if (issued === undefined) return { kind: 'unknown', why: 'the token is not known here' };
    const found = await issued(token);
    if (found.kind !== 'known') return found;
    const { grant } = found;
    return { kind: 'known', grant: { ...grant, isValid: () => now().issued === issued && grant.isValid() } };
  };
}

/** The rules as a gateway looks at them, request by request; what is fixed is that of its start. */
export const asSeen = (now: () => Rules) => {
  const { aggregate, publicUrl } = now().settings;
  return {
    settings: {
      aggregate,
      ...(publicUrl === undefined ? {} : { publicUrl }),
      get limits() {
        return now().settings.limits;
      },
      get oidc(): OidcSettings | undefined {
        return now().settings.oidc;
      },
    },
    guarding: {
      get judge() {
        return now().guarding.judge;
      },
      get scan() {
        return now().guarding.scan;
      },
    },
  };
};

/** Whether settings name the issuer of these rules, whose keys are known then. */
export const sameIssuer = ({ settings }: Rules, { oidc }: ServeSettings): boolean => same(settings.oidc, oidc);
