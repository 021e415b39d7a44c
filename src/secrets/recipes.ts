import { assertNever } from '../model/errors.ts';
import type { ProgramStore } from '../model/secrets/secret-providers.ts';
import type { CommandRecipe } from './command.ts';

const option = (flag: string, value: string | undefined): readonly string[] =>
  value === undefined ? [] : [flag, value];

const says =
  (words: RegExp): CommandRecipe['hasNone'] =>
  ({ stderr }) =>
    words.test(stderr);

/**
 * How the program of a store is asked. Names go in as arguments, values come out on stdout; what says that there is no
 * such secret is the wording of the program, since exit codes do not tell it from a failure.
 */
export function recipeOf(store: ProgramStore): CommandRecipe {
  switch (store.type) {
    case '1password':
      return {
        name: `1password vault ${store.vault} (op)`,
        argv: (name) => [
          ...['op', 'read', '--no-newline', ...option('--account', store.account)],
          `op://${store.vault}/${name}/${store.field}`,
        ],
        prints: 'exactly',
        hasNone: says(/isn't an item/),
        hint: 'sign in with `op signin`, or set OP_SERVICE_ACCOUNT_TOKEN',
      };
    case 'aws-secrets-manager':
      return {
        name: 'aws secrets manager (aws)',
        argv: (name) => [
          ...['aws', 'secretsmanager', 'get-secret-value', '--secret-id', store.prefix + name],
          ...['--query', 'SecretString', '--output', 'json', '--no-cli-pager'],
          ...option('--region', store.region),
          ...option('--profile', store.profile),
        ],
        prints: 'json',
        hasNone: says(/\(ResourceNotFoundException\)/),
        hint: '`aws sts get-caller-identity` shows who asks',
      };
    case 'aws-ssm':
      return {
        name: 'aws ssm (aws)',
        argv: (name) => [
          ...['aws', 'ssm', 'get-parameter', '--name', store.prefix + name, '--with-decryption'],
          ...['--query', 'Parameter.Value', '--output', 'json', '--no-cli-pager'],
          ...option('--region', store.region),
          ...option('--profile', store.profile),
        ],
        prints: 'json',
        hasNone: says(/\(ParameterNotFound\)/),
        hint: '`aws sts get-caller-identity` shows who asks',
      };
    case 'gcp-secret-manager':
      return {
        name: 'gcp secret manager (gcloud)',
        argv: (name) => [
          ...['gcloud', 'secrets', 'versions', 'access', 'latest', `--secret=${store.prefix}${name}`, '--quiet'],
          ...option('--project', store.project),
        ],
        prints: 'exactly',
        hasNone: says(/ NOT_FOUND: Secret /),
        hint: 'sign in with `gcloud auth login`',
      };
    case 'azure-key-vault':
      return {
        name: `azure key vault ${store.vault} (az)`,
        argv: (name) => [
          ...['az', 'keyvault', 'secret', 'show', '--vault-name', store.vault],
          // Key Vault takes letters, digits and hyphens only.
          ...['--name', name.replaceAll(/[._]/g, '-'), '--query', 'value', '--output', 'json', '--only-show-errors'],
        ],
        prints: 'json',
        hasNone: says(/\(SecretNotFound\)/),
        hint: 'sign in with `az login`',
      };
    default:
      return assertNever(store);
  }
}
