import { homedir } from 'node:os';
import { join } from 'node:path';
import { assertNever } from '../../model/errors.ts';
import type { VaultAuth } from '../../model/secrets/secret-providers.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { type ReadRegular, sourceFailed } from '../provider.ts';
import { type AskVault, errorsOf, type VaultAnswer } from './request.ts';

/** A token and its lease; times on the clock of the caller, ms. */
type Lease = {
  readonly token: string;
  readonly renewable: boolean;
  /** From when on it is renewed, or another one is asked for. */
  readonly renewAt: number;
};

export type TokenPorts = {
  readonly ask: AskVault;
  readonly readRegular: ReadRegular;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Any clock that does not jump, ms. */
  readonly now: () => number;
};

/** The largest file with a token, bytes. */
const mostBytes = 64 * 1024;

/**
 * The token to ask with: logged in for by the first who needs one, renewed once half of its lease is over, and asked for
 * anew where it cannot be renewed. One after the other, so that many look-ups log in once. Throws `secret-source-failed`.
 */
export function vaultTokens(source: string, auth: VaultAuth, ports: TokenPorts): () => Promise<string> {
  let turn: Promise<Lease | undefined> = Promise.resolve(undefined);
  return async () => {
    const next = turn.then((lease) => (lease === undefined ? logIn(source, auth, ports) : fresh(lease)));
    turn = next.catch(() => undefined);
    return (await next).token;
  };

  async function fresh(lease: Lease): Promise<Lease> {
    if (ports.now() < lease.renewAt) return lease;
    const renewed = lease.renewable ? await renew(lease.token, ports) : undefined;
    return renewed ?? logIn(source, auth, ports);
  }
}

/** The lease of a token that was renewed; undefined where Vault does not renew it any further. */
async function renew(token: string, { ask, now }: TokenPorts): Promise<Lease | undefined> {
  return leaseOf(await ask({ method: 'POST', path: 'auth/token/renew-self', token, body: {} }), now());
}

async function logIn(source: string, auth: VaultAuth, ports: TokenPorts): Promise<Lease> {
  switch (auth.method) {
    case 'token':
      return ownToken(source, auth, ports);
    case 'approle': {
      const secretId = await credential(source, ports, { file: auth.secretIdFile, variable: 'VAULT_SECRET_ID' });
      return login(source, auth, { role_id: auth.roleId, secret_id: secretId }, ports);
    }
    case 'kubernetes': {
      const jwt = await credential(source, ports, { file: auth.tokenFile });
      return login(source, auth, { role: auth.role, jwt }, ports);
    }
    default:
      return assertNever(auth);
  }
}

async function login(
  source: string,
  { method, mount }: Exclude<VaultAuth, { method: 'token' }>,
  body: Readonly<Record<string, string>>,
  { ask, now }: TokenPorts,
): Promise<Lease> {
  const answer = await ask({ method: 'POST', path: `auth/${mount}/login`, body });
  const lease = leaseOf(answer, now());
  if (lease !== undefined) return lease;
  const said = errorsOf(answer, Object.values(body)) || `HTTP ${answer.status}`;
  throw sourceFailed(source, `refused the login by ${method} at auth/${mount}: ${said}`);
}

/** A token that somebody else logged in for; a periodic one lives on only if those who use it renew it. */
async function ownToken(
  source: string,
  { tokenFile }: Extract<VaultAuth, { method: 'token' }>,
  ports: TokenPorts,
): Promise<Lease> {
  const { environment, ask, now } = ports;
  const home = join(environment.HOME || homedir(), '.vault-token');
  const token = await credential(source, ports, { variable: 'VAULT_TOKEN', file: tokenFile ?? home });
  const answer = await ask({ method: 'GET', path: 'auth/token/lookup-self', token });
  const found = isRecord(answer.body) && isRecord(answer.body.data) ? answer.body.data : {};
  const { ttl, creation_ttl: whole, renewable } = found;
  // A token need not be allowed to look at itself, and the root token has no end.
  const endless = { token, renewable: false, renewAt: Number.POSITIVE_INFINITY };
  if (answer.status !== 200 || typeof ttl !== 'number' || typeof whole !== 'number' || ttl === 0) return endless;
  if (renewable !== true) return endless;
  if (ttl > whole / 2) return { token, renewable: true, renewAt: now() + (ttl - whole / 2) * 1000 };
  return (await renew(token, ports)) ?? endless;
}

/** What an answer with a token says of its lease; undefined for one without. */
function leaseOf({ status, body }: VaultAnswer, now: number): Lease | undefined {
  const auth = status === 200 && isRecord(body) && isRecord(body.auth) ? body.auth : {};
  const { client_token: token, lease_duration: seconds, renewable } = auth;
  if (typeof token !== 'string' || typeof seconds !== 'number') return undefined;
  return {
    token,
    renewable: renewable === true,
    renewAt: seconds === 0 ? Number.POSITIVE_INFINITY : now + (seconds / 2) * 1000,
  };
}

/** Reads what looms proves itself with: the variable, else the file. Throws `secret-source-failed` where there is none. */
async function credential(
  source: string,
  { readRegular, environment }: TokenPorts,
  { variable, file }: { readonly variable?: string; readonly file?: string | undefined },
): Promise<string> {
  const value = variable === undefined ? undefined : environment[variable];
  if (value !== undefined && value !== '') return value;
  const tried = variable === undefined ? [] : [`${variable} is not set`];
  if (file !== undefined) {
    const read = await readRegular(file, mostBytes);
    const text = read.done ? read.text.trim() : '';
    if (text !== '') return text;
    tried.push(read.done ? `${file} is empty` : `${file} cannot be read (${read.code})`);
  }
  const hint =
    variable === 'VAULT_TOKEN'
      ? 'log in with `vault login`, or say in looms.yaml how looms does: secrets.providers[].auth'
      : undefined;
  throw sourceFailed(source, `cannot be logged in to: ${tried.join(', ')}`, hint);
}
