import type { SecretProvider } from './provider.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The variable that holds a secret: `teradata.uri-2` is `LOOMS_SECRET_TERADATA_URI_2`. */
export const secretVariable = (name: string): string =>
  `LOOMS_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

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
