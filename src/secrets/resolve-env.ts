import type { Env, SecretRef } from '../model/desired.ts';
import type { SecretStore, UnfoundSecret } from './provider.ts';

type ResolvedEnv = {
  /** Complete only when `missing` is empty: a variable with a missing secret is left out. */
  readonly values: Readonly<Record<string, string>>;
  /** Each missing secret once. */
  readonly missing: readonly UnfoundSecret[];
  /** The secrets themselves, for masking what is printed (`createRedactor`). */
  readonly secrets: readonly string[];
};

/** Turns references into values, each secret looked up once. Missing ones are a value; a broken provider throws. */
export async function resolveEnv(env: Env, store: SecretStore): Promise<ResolvedEnv> {
  const lookups = new Map<string, ReturnType<SecretStore>>();
  const lookUp = (ref: SecretRef) => {
    const key = `${ref.from}:${ref.name}`;
    const lookup = lookups.get(key) ?? store(ref);
    lookups.set(key, lookup);
    return lookup;
  };

  const values: Record<string, string> = {};
  const missing = new Map<string, UnfoundSecret>();
  const secrets = new Set<string>();
  for (const [name, value] of Object.entries(env)) {
    if (value.kind === 'literal') {
      values[name] = value.value;
      continue;
    }
    let text: string | undefined = '';
    for (const part of value.parts) {
      if (typeof part === 'string') {
        text = text === undefined ? undefined : text + part;
        continue;
      }
      const found = await lookUp(part);
      if (found.found) {
        secrets.add(found.value);
        text = text === undefined ? undefined : text + found.value;
      } else {
        missing.set(`${part.from}:${part.name}`, { ref: part, tried: found.tried });
        text = undefined;
      }
    }
    if (text !== undefined) values[name] = text;
  }
  return { values, missing: [...missing.values()], secrets: [...secrets] };
}
