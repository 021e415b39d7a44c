import { assertNever } from '../model/errors.ts';
import type { ProgramStore } from '../model/secrets/secret-providers.ts';
import type { CommandRecipe } from './command.ts';

const option = (flag: string, value: string | undefined): readonly string[] =>
  value === undefined ? [] : [flag, value];

const says =
  (words: RegExp): CommandRecipe['hasNone'] =>
  ({ stderr }) =>
    words.test(stderr);

/** What the two stores of AWS have in common; `query` is where the value stands in the answer. */
const aws = (
  { prefix, region, profile }: Extract<ProgramStore, { type: 'aws-secrets-manager' | 'aws-ssm' }>,
  query: string,
  wordsFor: (id: string) => readonly string[],
): Pick<CommandRecipe, 'argv' | 'prints' | 'hint'> => ({
  argv: (name) => [
    ...['aws', ...wordsFor(prefix + name), '--query', query, '--output', 'json', '--no-cli-pager'],
    ...option('--region', region),
    ...option('--profile', profile),
  ],
  prints: 'json',
  hint: '`aws sts get-caller-identity` shows who asks',
});

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
        ...aws(store, 'SecretString', (id) => ['secretsmanager', 'get-secret-value', '--secret-id', id]),
        name: 'aws secrets manager (aws)',
        hasNone: says(/\(ResourceNotFoundException\)/),
      };
    case 'aws-ssm':
      return {
        ...aws(store, 'Parameter.Value', (id) => ['ssm', 'get-parameter', '--name', id, '--with-decryption']),
        name: 'aws ssm (aws)',
        hasNone: says(/\(ParameterNotFound\)/),
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
