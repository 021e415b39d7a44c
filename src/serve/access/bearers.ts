import { tokenDigest } from '../../model/secrets/token-digest.ts';
import type { Grant } from './guard.ts';
import { type Scopes, setText } from './scopes.ts';

/** A token as it is kept: whoever reads it cannot use it. */
export type KnownToken = {
  readonly name: string;
  /** SHA-256 of the token, hex. */
  readonly sha256: string;
  readonly scopes: Scopes;
  /** From when on it is none any more, ms since the epoch. */
  readonly endsAt?: number;
};

/** Whom a bearer token stands for; a reason where that cannot be told now. */
export type Bearing =
  | { readonly kind: 'known'; readonly grant: Grant }
  | { readonly kind: 'unknown'; readonly why: string }
  | { readonly kind: 'unavailable'; readonly why: string };

export type Bearers = (token: string) => Promise<Bearing>;

/**
 * Whom tokens stand for: those that are kept (`kept` says which there are now), then those of an issuer. They are found by
 * their digest, so that how long that takes says nothing of them.
 */
export function createBearers(
  kept: () => readonly KnownToken[],
  issued?: Bearers,
  now: () => number = Date.now,
): Bearers {
  const find = (sha256: string): KnownToken | undefined =>
    kept().find((one) => one.sha256 === sha256 && (one.endsAt === undefined || one.endsAt > now()));
  return async (token) => {
    const sha256 = tokenDigest(token);
    const found = find(sha256);
    if (found === undefined) return issued?.(token) ?? { kind: 'unknown', why: 'the token is not known here' };
    const { name, scopes, endsAt = Number.POSITIVE_INFINITY } = found;
    // One that may use something else by now is another one: its sessions were begun with what it might use then.
    const isValid = (): boolean => {
      const held = find(sha256);
      return held !== undefined && setText(held.scopes) === setText(scopes);
    };
    return {
      kind: 'known',
      grant: { kind: 'token', name, groups: [], scopes, isValid, endsAt },
    };
  };
}
