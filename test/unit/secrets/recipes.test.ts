import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProgramStore } from '../../../src/model/secrets/secret-providers.ts';
import { commandProvider } from '../../../src/secrets/command.ts';
import { recipeOf } from '../../../src/secrets/recipes.ts';
import { standInStores } from '../../support/stand-in-programs.ts';

let bin: string;
beforeAll(async () => {
  bin = await standInStores(await mkdtemp(join(tmpdir(), 'looms-stores-')));
});
afterAll(() => rm(bin, { recursive: true }));

const stores: readonly {
  readonly store: ProgramStore;
  /** What the store calls `db_uri`, and how its program is asked for it. */
  readonly kept: string;
  readonly call: string;
}[] = [
  {
    store: { type: '1password', vault: 'Team', field: 'password', account: 'acme' },
    kept: 'db_uri',
    call: 'op read --no-newline --account acme op://Team/db_uri/password',
  },
  {
    store: { type: 'aws-secrets-manager', prefix: 'team/', region: 'eu-central-1' },
    kept: 'team+db_uri',
    call: 'aws secretsmanager get-secret-value --secret-id team/db_uri --query SecretString --output json --no-cli-pager --region eu-central-1',
  },
  {
    store: { type: 'aws-ssm', prefix: '/team/', profile: 'ci' },
    kept: '+team+db_uri',
    call: 'aws ssm get-parameter --name /team/db_uri --with-decryption --query Parameter.Value --output json --no-cli-pager --profile ci',
  },
  {
    store: { type: 'gcp-secret-manager', prefix: 'team-', project: 'acme' },
    kept: 'team-db_uri',
    call: 'gcloud secrets versions access latest --secret=team-db_uri --quiet --project acme',
  },
  {
    store: { type: 'azure-key-vault', vault: 'acme' },
    kept: 'db-uri',
    call: 'az keyvault secret show --vault-name acme --name db-uri --query value --output json --only-show-errors',
  },
];

describe.each(stores)('secrets from $store.type', ({ store, kept, call }) => {
  const provider = (state = '', timeoutMs?: number) =>
    commandProvider(recipeOf(store), { PATH: `${bin}:${process.env.PATH}`, STORE_STATE: state }, timeoutMs);

  it('come out to their last character, by the command line that its program takes', async () => {
    const value = ' "hunter2"\n\t\\n %41 ä\n\n';
    await writeFile(join(bin, `value-${kept}`), value);
    expect(await provider().get('db_uri')).toEqual({ found: true, value });
    expect((await readFile(join(bin, 'calls'), 'utf8')).trim().split('\n').at(-1)).toBe(call);
  });

  it('are missing where the program says that they are', async () => {
    expect(await provider().get('other')).toMatchObject({ found: false, why: expect.stringMatching(/^exit code /) });
  });

  it('cannot be had where it is signed out, hangs, or is not installed, and each error names it', async () => {
    const { name, hint } = recipeOf(store);
    const failure = (what: string) => ({
      code: 'secret-source-failed',
      message: expect.stringMatching(new RegExp(`^${name.replaceAll(/[()]/g, '\\$&')} ${what}`)),
    });
    const signedOut = { ...failure('could not be asked for db_uri: exit code 1: '), hint };
    await expect(provider('signed-out').get('db_uri')).rejects.toMatchObject(signedOut);
    await expect(provider('hangs', 300).get('db_uri')).rejects.toMatchObject(
      failure('took more than 300ms for db_uri'),
    );
    const nowhere = commandProvider(recipeOf(store), { PATH: '/nowhere' });
    await expect(nowhere.get('db_uri')).rejects.toMatchObject(failure('cannot be started: .*ENOENT'));
  });
});
