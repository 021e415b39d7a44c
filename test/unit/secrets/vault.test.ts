import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localFiles } from '../../../src/files/local-files.ts';
import type { VaultAuth, VaultStore } from '../../../src/model/secrets/secret-providers.ts';
import type { SecretProvider } from '../../../src/secrets/provider.ts';
import { vaultProvider } from '../../../src/secrets/vault/vault.ts';
import { startVault, type VaultServer } from '../../support/vault-server.ts';

const { readRegular } = localFiles({}, '/');
let vault: VaultServer;
let folder: string;
let clock = 0;

beforeEach(async () => {
  clock = 0;
  folder = await mkdtemp(join(tmpdir(), 'looms-vault-'));
  vault = await startVault({
    entries: { 'secret/team/db': { password: 'hunter2-ä\n', port: 5432, nested: { a: 1 } } },
    tokens: { 'hvs.own': { ttl: 3600, whole: 3600, renewable: true } },
    appRoles: { 'role-1': 'secret-id-1' },
    podTokens: { looms: 'eyJ-pod' },
  });
});
afterEach(async () => {
  await vault.close();
  await rm(folder, { recursive: true });
});

const provider = (
  { auth = { method: 'token' }, timeoutMs, ...rest }: Partial<VaultStore> & { timeoutMs?: number } = {},
  environment: Record<string, string> = { HOME: folder, VAULT_TOKEN: 'hvs.own' },
): SecretProvider => {
  const store = { address: vault.address, mount: 'secret', path: 'team/db', field: 'value', ...rest, auth };
  return vaultProvider({ type: 'vault', ...store }, { environment, readRegular, now: () => clock }, timeoutMs);
};

/** The message of a failure, which names Vault, and neither a token nor a value. */
async function failure(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    (answer) => new Error(`no failure: ${JSON.stringify(answer)}`),
    (reason) => reason,
  );
  expect(error).toMatchObject({ code: 'secret-source-failed' });
  const { message, hint, cause } = error as { message: string; hint?: string; cause?: unknown };
  const all = `${message}${hint === undefined ? '' : ` (hint: ${hint})`}`;
  expect(all).toContain(`vault ${vault.address}`);
  expect(`${all}${String(cause)}`).not.toMatch(/hunter2|hvs\.|secret-id-|eyJ/);
  return all.replace(vault.address, 'ADDRESS');
}

describe('secrets from Vault', () => {
  it('are the keys of one entry', async () => {
    expect(await provider().get('password')).toEqual({ found: true, value: 'hunter2-ä\n' });
    expect(await provider().get('port')).toEqual({ found: true, value: '5432' });
    expect(await provider().list?.()).toEqual(['password', 'port', 'nested']);
  });

  it('are entries of their own where the path says so', async () => {
    vault.entries = { 'kv/apps/a.b/x': { value: 'v1' }, 'kv/apps/db': { value: 'v2' }, 'kv/apps/sub/': {} };
    expect(await provider({ mount: 'kv', path: 'apps/{name}/x' }).get('a.b')).toEqual({ found: true, value: 'v1' });
    expect(provider({ mount: 'kv', path: 'apps/{name}/x' }).list).toBeUndefined();
    vault.requests.length = 0;
    expect(await provider({ mount: 'kv', path: 'apps/{name}' }).list?.()).toEqual(['db']);
    expect(vault.requests.at(-1)).toBe('GET /v1/kv/metadata/apps?list=true');
  });

  it('are missing, and nothing else, where the entry or the key is not there, or was deleted', async () => {
    vault.entries['secret/gone'] = null;
    expect(await provider().get('other')).toEqual({ found: false, why: 'secret/team/db has no key other' });
    expect(await provider({ path: 'none' }).get('a')).toEqual({ found: false, why: 'nothing at secret/none' });
    expect(await provider({ path: 'gone' }).get('a')).toEqual({ found: false, why: 'nothing at secret/gone' });
    expect(await provider({ path: '{name}' }).get('../gone')).toEqual({ found: false });
    expect(await provider({ path: 'none/{name}' }).list?.()).toEqual([]);
  });

  it('are of the namespace that is named', async () => {
    vault.entries = { 'team-a/secret/team/db': { k: 'of team a' }, 'secret/team/db': { k: 'of nobody' } };
    expect(await provider({ namespace: 'team-a' }).get('k')).toEqual({ found: true, value: 'of team a' });
  });

  it('cannot be had where something else than a text is kept', async () => {
    expect(await failure(provider().get('nested'))).toBe(
      'vault ADDRESS has something else than a text at key nested of secret/team/db',
    );
  });
});

describe('a login to Vault', () => {
  const approle: VaultAuth = { method: 'approle', mount: 'approle', roleId: 'role-1' };

  it('is by the token of the environment, of a file, or of the Vault client', async () => {
    expect(await provider().get('port')).toMatchObject({ found: true });
    await writeFile(join(folder, '.vault-token'), 'hvs.own\n');
    expect(await provider({}, { HOME: folder }).get('port')).toMatchObject({ found: true });
    const named = join(folder, 'token');
    const auth = { method: 'token', tokenFile: named } as const;
    expect(await failure(provider({ auth }, { HOME: folder }).get('port'))).toBe(
      `vault ADDRESS cannot be logged in to: VAULT_TOKEN is not set, ${named} cannot be read (ENOENT) (hint: log in with \`vault login\`, or say in looms.yaml how looms does: secrets.providers[].auth)`,
    );
    await writeFile(named, 'hvs.own');
    expect(await provider({ auth }, { HOME: folder }).get('port')).toMatchObject({ found: true });
  });

  it('is by AppRole, once for many look-ups at the same time', async () => {
    const env = { VAULT_SECRET_ID: 'secret-id-1' };
    const store = provider({ auth: approle }, env);
    await Promise.all(['password', 'port', 'other'].map((name) => store.get(name)));
    expect(vault.requests.filter((one) => one.includes('login'))).toEqual(['POST /v1/auth/approle/login']);
    expect(await failure(provider({ auth: approle }, { VAULT_SECRET_ID: 'secret-id-2' }).get('port'))).toBe(
      'vault ADDRESS refused the login by approle at auth/approle: invalid role or secret ID (secret)',
    );
    const file = join(folder, 'secret-id');
    await writeFile(file, 'secret-id-1\n');
    const mounted = { ...approle, mount: 'ci', secretIdFile: file };
    expect(await provider({ auth: mounted }, {}).get('port')).toMatchObject({ found: true });
    expect(vault.requests).toContain('POST /v1/auth/ci/login');
  });

  it('is by the service account of a pod', async () => {
    const tokenFile = join(folder, 'pod');
    await writeFile(tokenFile, 'eyJ-pod');
    const auth = { method: 'kubernetes', mount: 'kubernetes', role: 'looms', tokenFile } as const;
    expect(await provider({ auth }, {}).get('port')).toMatchObject({ found: true });
    expect(await failure(provider({ auth: { ...auth, role: 'other' } }, {}).get('port'))).toBe(
      'vault ADDRESS refused the login by kubernetes at auth/kubernetes: permission denied',
    );
  });

  it('is renewed once half of its lease is over, and done again where it cannot be', async () => {
    const store = provider({ auth: approle }, { VAULT_SECRET_ID: 'secret-id-1' });
    const authOf = () => vault.requests.splice(0).filter((one) => one.includes('/auth/'));
    await store.get('port');
    clock = 1799_000;
    await store.get('port');
    expect(authOf()).toEqual(['POST /v1/auth/approle/login']);
    clock = 1801_000;
    await store.get('port');
    expect(authOf()).toEqual(['POST /v1/auth/token/renew-self']);
    vault.login.renewable = false;
    for (const lease of Object.values(vault.tokens)) lease.renewable = false;
    clock += 1801_000;
    await store.get('port');
    expect(authOf()).toEqual(['POST /v1/auth/token/renew-self', 'POST /v1/auth/approle/login']);
  });

  it('by a token that others made renews it where half of its time is over', async () => {
    vault.tokens['hvs.own'] = { ttl: 100, whole: 3600, renewable: true };
    await provider().get('port');
    expect(vault.tokens['hvs.own'].ttl).toBe(3600);
    await provider().get('port');
    expect(vault.requests.filter((one) => one.includes('renew'))).toHaveLength(1);
    vault.denied = ['auth/token/lookup-self'];
    expect(await provider().get('port')).toMatchObject({ found: true });
  });
});

describe('a Vault that cannot be asked', () => {
  it('says what it refuses, and what its policy lacks', async () => {
    vault.denied = ['secret/data/team/db'];
    expect(await failure(provider().get('port'))).toBe(
      'vault ADDRESS does not let its token read secret/data/team/db: 1 error occurred: * permission denied (hint: its policy needs: path "secret/data/team/db" { capabilities = ["read"] })',
    );
  });

  it.each([
    ['sealed', 'vault ADDRESS is not ready: Vault is sealed'],
    ['broken', 'vault ADDRESS failed: internal error with (secret)'],
    [
      'standby',
      'vault ADDRESS sends elsewhere (HTTP 307) (hint: name the address of the active node, or of a load balancer)',
    ],
    ['hangs', 'vault ADDRESS gave no answer within 300ms'],
  ] as const)('is an error that names it: %s', async (state, message) => {
    vault.state = state;
    expect(await failure(provider(state === 'hangs' ? { timeoutMs: 300 } : {}).get('port'))).toBe(message);
  });

  it('is one that nobody answers for, and one that is asked again after it was down', async () => {
    const store = provider({ timeoutMs: 5_000 });
    vault.state = 'sealed';
    await failure(store.get('port'));
    vault.state = 'ready';
    expect(await store.get('port')).toMatchObject({ found: true });
    const gone = await startVault();
    await gone.close();
    await expect(provider({ address: gone.address }).get('port')).rejects.toMatchObject({
      code: 'secret-source-failed',
      message: expect.stringMatching(/^vault \S+ cannot be reached: .*ECONNREFUSED/),
    });
  });
});
