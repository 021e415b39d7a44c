import type { SecretRef } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';

/** What a look-up found. A missing secret is a value, not an exception: the caller collects all that are missing. */
type SecretLookup =
  | { readonly found: true; readonly value: string; readonly provider: string }
  /** `tried`: who was asked, in order, each with why not where it said so; shown to the user. */
  | { readonly found: false; readonly tried: readonly string[] };

/** A secret that nobody had, and who was asked. */
export type UnfoundSecret = { readonly ref: SecretRef; readonly tried: readonly string[] };

/** Looks a secret up in the providers in order. Throws only when a provider itself is broken. */
export type SecretStore = (ref: SecretRef) => Promise<SecretLookup>;

/** One place that secrets are looked up in. */
export type SecretProvider = {
  /** For people: `file store`, `directory /run/secrets`. */
  readonly name: string;
  /** What it has under the name. Throws `LoomsError` when it is itself broken, with no secret in the message. */
  readonly get: (name: string) => Promise<ProviderAnswer>;
  /** The names that it has, in any order; absent where it cannot tell. Throws as `get` does. */
  readonly list?: () => Promise<readonly string[]>;
  /** Nobody asked for it: where it cannot be asked, the next one is, and its failure counts only if nobody has the secret. */
  readonly optional?: true;
};

type ProviderAnswer =
  | { readonly found: true; readonly value: string }
  /** `why` is told to the user where it is more than "not there". */
  | { readonly found: false; readonly why?: string };

/** A provider that can be changed: what `looms config set-key` and its siblings work on. */
export type WritableProvider = SecretProvider & {
  readonly set: (name: string, value: string) => Promise<void>;
  /** Whether there was one. */
  readonly delete: (name: string) => Promise<boolean>;
  readonly list: () => Promise<readonly string[]>;
};

/** Reads a regular file of at most so many bytes: `Files.readRegular`, of which secrets need this much. */
export type ReadRegular = (
  path: string,
  mostBytes: number,
) => Promise<
  | { readonly done: true; readonly text: string }
  | { readonly done: false; readonly code: string; readonly message: string; readonly cause: unknown }
>;

/** What a source that cannot be asked is: another thing than a secret that it does not have. */
export const sourceFailed = (source: string, why: string, hint?: string, cause?: unknown): LoomsError =>
  new LoomsError('secret-source-failed', `${source} ${why}`, { hint, ...(cause === undefined ? {} : { cause }) });
