import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '../model/failure.ts';
import { secretNamePattern, secretVariable } from '../model/secrets/secret-names.ts';
import type { SecretProviderConfig } from '../model/secrets/secret-providers.ts';
import { commandProvider, ownCommand } from './command.ts';
import { createFileStore, fileStorePlaces } from './file-store.ts';
import { findKeyring } from './keyring.ts';
import {
  type ReadRegular,
  type SecretProvider,
  type SecretStore,
  sourceFailed,
  type WritableProvider,
} from './provider.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks secrets up in the providers in order; the first that has one wins. References to the environment go there
 * directly. A secret that was found is looked up once in the life of the store, which is that of a run, so that a person is
 * asked to unlock only once; one that was missing is looked up again for whoever asks after that. One that cannot be asked
 * ends the look-up: those behind it could have another value under that name.
 */
export function createSecretStore(environment: Environment, providers: readonly SecretProvider[]): SecretStore {
  const lookUp: SecretStore = async (ref) => {
    if (ref.from === 'environment') {
      const value = environment[ref.name];
      if (value === undefined || value === '') return { found: false, tried: [`environment (${ref.name} is not set)`] };
      return { found: true, value, provider: 'environment' };
    }
    const tried: string[] = [];
    let failure: unknown;
    for (const provider of providers) {
      try {
        const answer = await provider.get(ref.name);
        if (answer.found) return { found: true, value: answer.value, provider: provider.name };
        tried.push(answer.why === undefined ? provider.name : `${provider.name} (${answer.why})`);
      } catch (error) {
        if (provider.optional !== true) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
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

/** Asked for every secret; those that the list of `looms.yaml` names have their place there, the others stand before it. */
const builtIn = [{ type: 'environment' }, { type: 'keyring' }, { type: 'file' }] as const;

/** The providers in the order in which they are asked (docs/secrets.md). */
export async function configuredProviders(
  environment: Environment,
  configured: readonly SecretProviderConfig[],
  readRegular: ReadRegular,
  platform: NodeJS.Platform = process.platform,
): Promise<readonly SecretProvider[]> {
  const named = new Set(configured.map(({ type }) => type));
  const unnamed = builtIn.filter(({ type }) => !named.has(type));
  const make = async (provider: SecretProviderConfig): Promise<readonly SecretProvider[]> => {
    switch (provider.type) {
      case 'environment':
        return [environmentProvider(environment)];
      case 'keyring':
        return keyringProvider(environment, platform, named.has('keyring'));
      case 'file':
        return [createFileStore(fileStorePlaces(environment))];
      case 'directory':
        return [directoryProvider(provider.path, readRegular)];
      case 'command':
        return [commandProvider(ownCommand(provider.argv), environment)];
      case 'vault': {
        const { vaultProvider } = await import('./vault/vault.ts');
        return [vaultProvider(provider, { environment, readRegular, now: () => performance.now() })];
      }
      default: {
        const { recipeOf } = await import('./recipes.ts');
        return [commandProvider(recipeOf(provider), environment)];
      }
    }
  };
  return (await Promise.all([...unnamed, ...configured].map(make))).flat();
}

/** The keyring of this machine; where it was not asked for by name, one that is not there is none. */
export async function keyringProvider(
  environment: Environment,
  platform: NodeJS.Platform,
  isNamed: boolean,
): Promise<readonly WritableProvider[]> {
  const keyring = await findKeyring(environment, platform);
  if (!('missing' in keyring)) return [isNamed ? keyring : { ...keyring, optional: true }];
  if (!isNamed) return [];
  const fail = async () => {
    throw sourceFailed('keyring', `cannot be asked: ${keyring.missing}`);
  };
  return [{ name: 'keyring', get: fail, list: fail, set: fail, delete: fail }];
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
    list: async () =>
      Object.entries(environment).flatMap(([variable, value]) =>
        variable.startsWith(variablePrefix) && value !== undefined && value !== ''
          ? [variable.slice(variablePrefix.length).toLowerCase()]
          : [],
      ),
  };
}

const variablePrefix = secretVariable('');

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
      throw sourceFailed(
        `directory ${folder}`,
        `could not be asked for ${name}: ${read.message}`,
        undefined,
        read.cause,
      );
    },
    async list() {
      const names = await readdir(folder).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return [];
        throw sourceFailed(`directory ${folder}`, `cannot be listed: ${messageOf(error)}`);
      });
      return names.filter((name) => secretNamePattern.test(name));
    },
  };
}
