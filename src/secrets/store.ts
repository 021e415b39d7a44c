import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { secretNamePattern, secretVariable } from '../model/secret-names.ts';
import type { SecretProviderConfig } from '../model/secret-providers.ts';
import { commandProvider } from './command.ts';
import { createFileStore, fileStorePlaces } from './file-store.ts';
import { findKeyring } from './keyring.ts';
import type { ReadRegular, SecretProvider, SecretStore } from './provider.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks secrets up in the providers in order; the first that has one wins. References to the environment go there
 * directly. A secret that was found is looked up once in the life of the store, so that a person is asked to unlock only
 * once; one that was missing is looked up again for whoever asks after that.
 */
export function createSecretStore(environment: Environment, providers: readonly SecretProvider[]): SecretStore {
  const lookUp: SecretStore = async (ref) => {
    if (ref.from === 'environment') {
      const value = environment[ref.name];
      if (value === undefined || value === '') return { found: false, tried: [`environment (${ref.name} is not set)`] };
      return { found: true, value, provider: 'environment' };
    }
    const tried: string[] = [];
    for (const provider of providers) {
      const answer = await provider.get(ref.name);
      if (answer.found) return { found: true, value: answer.value, provider: provider.name };
      tried.push(answer.why === undefined ? provider.name : `${provider.name} (${answer.why})`);
    }
    return { found: false, tried };
  };

  const known = new Map<string, ReturnType<SecretStore>>();
  return (ref) => {
    const key = `${ref.from}:${ref.name}`;
    const begun = known.get(key);
    if (begun !== undefined) return begun;
    const answer = lookUp(ref);
    known.set(key, answer);
    const forget = () => known.delete(key);
    answer.then(({ found }) => found || forget(), forget);
    return answer;
  };
}

/** The providers as docs/spec.md orders them: environment, OS keyring, encrypted file store, configured ones. */
export async function defaultProviders(
  environment: Environment,
  configured: readonly SecretProviderConfig[],
  readRegular: ReadRegular,
  platform: NodeJS.Platform = process.platform,
): Promise<readonly SecretProvider[]> {
  const keyring = await findKeyring(environment, platform);
  return [
    environmentProvider(environment),
    ...(keyring === undefined ? [] : [keyring]),
    createFileStore(fileStorePlaces(environment)),
    ...configured.map((provider) =>
      provider.type === 'directory'
        ? directoryProvider(provider.path, readRegular)
        : commandProvider(provider.argv, environment),
    ),
  ];
}

/** Secrets from variables of looms itself. An empty one is missing: so CI hands over a secret it does not have. */
export function environmentProvider(environment: Environment): SecretProvider {
  return {
    name: 'environment',
    async get(name) {
      const variable = secretVariable(name);
      const value = environment[variable];
      return value === undefined || value === ''
        ? { found: false, why: `${variable} is not set` }
        : { found: true, value };
    },
  };
}

/** The largest secret that a file may hold, bytes; Kubernetes' own limit. */
const mostBytes = 1024 * 1024;

/** Secrets as files of a folder, as Docker, Kubernetes and systemd give them, less one newline at the end. */
export function directoryProvider(folder: string, readRegular: ReadRegular): SecretProvider {
  return {
    name: `directory ${folder}`,
    async get(name) {
      if (!secretNamePattern.test(name)) return { found: false };
      const path = join(folder, name);
      const read = await readRegular(path, mostBytes);
      if (read.done) return { found: true, value: read.text.replace(/\r?\n$/, '') };
      if (read.code === 'ENOENT' || read.code === 'ENOTDIR') return { found: false };
      throw new LoomsError('secret-missing', `cannot read the secret file ${path}: ${read.message}`, {
        cause: read.cause,
      });
    },
  };
}
