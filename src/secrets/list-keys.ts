import { messageOf } from '../model/failure.ts';
import { type ListedKeys, secretVariable } from '../model/secrets/secret-names.ts';
import type { SecretProvider } from './provider.ts';

/**
 * The names in all stores that can tell theirs, sorted. A variable stands for every name that is written as it is; where no
 * store has such a one, for the name in small letters. Throws what a store throws that cannot be asked, unless it is
 * optional.
 */
export async function listKeys(providers: readonly SecretProvider[]): Promise<ListedKeys> {
  const unlisted: ListedKeys['unlisted'][number][] = [];
  const lists: { readonly store: string; readonly names: readonly string[] }[] = [];
  for (const provider of providers) {
    if (provider.list === undefined) {
      unlisted.push({ store: provider.name, why: 'it has no list of its names' });
      continue;
    }
    try {
      lists.push({ store: provider.name, names: await provider.list() });
    } catch (error) {
      if (provider.optional !== true) throw error;
      unlisted.push({ store: provider.name, why: messageOf(error) });
    }
  }
  const stored = new Set(lists.flatMap(({ store, names }) => (store === 'environment' ? [] : names)));
  const storesOf = new Map<string, string[]>();
  for (const { store, names } of lists) {
    for (const name of new Set(store === 'environment' ? names.flatMap((one) => meant(one, stored)) : names)) {
      storesOf.set(name, [...(storesOf.get(name) ?? []), store]);
    }
  }
  const keys = [...storesOf].flatMap(([name, [store, ...alsoIn]]) =>
    store === undefined ? [] : { name, store, alsoIn },
  );
  return { keys: keys.sort((a, b) => (a.name < b.name ? -1 : 1)), unlisted };
}

/** The stored names that share a variable with this one; else this one. */
function meant(name: string, stored: ReadonlySet<string>): readonly string[] {
  const shared = [...stored].filter((other) => secretVariable(other) === secretVariable(name));
  return shared.length === 0 ? [name] : shared;
}
