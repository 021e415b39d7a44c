import { secretVariable } from '../model/secret-names.ts';
import type { SecretProvider } from './provider.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Secrets from variables of `looms` itself. One that is set to nothing counts as missing: that is how a CI system hands
 * over a secret that it does not have.
 */
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
