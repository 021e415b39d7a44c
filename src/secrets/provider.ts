import type { SecretRef } from '../model/desired.ts';

/** What a look-up found. A missing secret is a value, not an exception: the caller collects all that are missing. */
export type SecretLookup =
  | { readonly found: true; readonly value: string; readonly provider: string }
  | { readonly found: false; readonly tried: readonly string[] };

/** Looks a secret up in the providers in order. Throws only when a provider itself is broken. */
export type SecretStore = (ref: SecretRef) => Promise<SecretLookup>;
