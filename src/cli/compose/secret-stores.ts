import { LoomsError } from '../../model/errors.ts';
import type { ReadRegular, SecretStore, WritableProvider } from '../../secrets/provider.ts';
import type { ProjectFile } from '../../spec/project-file.ts';
import type { Program } from '../terminal/program.ts';
import type { SecretStores } from './composition.ts';

/**
 * How many values of one secret are masked, the newest: a gateway lives for months, and a password that is made anew each
 * hour would grow what each of its lines is searched for. What a log still holds of the hours before is masked.
 */
const mostValues = 24;

/** Secrets pass through here, so that whatever is printed can be masked: `known`, and the newest values of each secret. */
export async function watched(
  store: () => Promise<SecretStore>,
  known: readonly string[],
): Promise<{ secrets: SecretStore; redact: (text: string) => string }> {
  const seen = new Map<string, Set<string>>();
  let mask: (text: string) => string =
    known.length === 0 ? (text) => text : (await import('../../secrets/redact.ts')).createRedactor(known);
  return {
    secrets: async (ref) => {
      const [lookUp, { createRedactor }] = await Promise.all([store(), import('../../secrets/redact.ts')]);
      const found = await lookUp(ref);
      if (!found.found) return found;
      const key = JSON.stringify(ref);
      const values = seen.get(key) ?? new Set();
      const isNew = !values.delete(found.value);
      values.add(found.value);
      if (!isNew) return found;
      const [oldest] = values;
      if (values.size > mostValues && oldest !== undefined) values.delete(oldest);
      seen.set(key, values);
      mask = createRedactor([...known, ...[...seen.values()].flatMap((one) => [...one])]);
      return found;
    },
    redact: (text) => mask(text),
  };
}

/** The stores of secrets; what speaks to one is loaded by whoever asks for it first. */
export function secretStores(
  environment: Program['environment'],
  configured: ProjectFile['secretProviders'],
  readRegular: ReadRegular,
): SecretStores & { readonly all: () => Promise<SecretStore> } {
  const load = () => import('../../secrets/store.ts');
  const file = async (): Promise<WritableProvider> => {
    const { createFileStore, fileStorePlaces } = await import('../../secrets/file-store.ts');
    return createFileStore(fileStorePlaces(environment));
  };
  const keyring = async (isNamed: boolean): Promise<readonly WritableProvider[]> =>
    (await load()).keyringProvider(environment, process.platform, isNamed);
  const named: SecretStores['named'] = async (store) => {
    const [found] = store === 'file' ? [await file()] : await keyring(true);
    if (found === undefined) throw new LoomsError('internal', `no store ${store}`);
    return found;
  };
  const providers = async () => (await load()).configuredProviders(environment, configured, readRegular);
  return {
    named,
    find: async (name, store) => {
      const { createSecretStore } = await load();
      const stores = store === undefined ? [...(await keyring(false)), await file()] : [await named(store)];
      return createSecretStore(environment, stores)({ from: 'provider', name });
    },
    list: async () => (await import('../../secrets/list-keys.ts')).listKeys(await providers()),
    all: async () => (await load()).createSecretStore(environment, await providers()),
  };
}
