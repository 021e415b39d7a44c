import { LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { ClusterAccess, Identity } from './access.ts';
import { type Credential, type ExecCluster, execCredential } from './exec-credential.ts';
import { type Entry, partOf, pathOf, textOf, textsOf } from './kubeconfig.ts';
import { readNamed } from './read-file.ts';

/** The text behind `KEY-data` (base64) or the file that `KEY` names; undefined for neither. */
export async function pemOf(entry: Entry, key: string): Promise<string | undefined> {
  const data = textOf(entry, `${key}-data`);
  const path = pathOf(entry, key);
  if (data === undefined && path === undefined) return undefined;
  const pem = data === undefined ? await readNamed(path ?? '', entry.title) : Buffer.from(data, 'base64').toString();
  if (!pem.includes('-----BEGIN ')) throw new LoomsError('usage', `${entry.title} has a ${key} that is no PEM text`);
  return pem;
}

/** Whom a user lets act in place of itself: without these headers a request would have more rights than was asked for. */
function impersonation(user: Entry): Identity['headers'] {
  const extra = user.fields['as-user-extra'] ?? {};
  if (!isRecord(extra)) throw new LoomsError('usage', `${user.title} has an as-user-extra without fields`);
  const extras = Object.keys(extra).map((key): [string, readonly string[]] => [
    `Impersonate-Extra-${encodeURIComponent(key)}`,
    textsOf({ ...user, fields: extra }, key),
  ]);
  const groups = textsOf(user, 'as-groups');
  return {
    ...defined({ 'Impersonate-User': textOf(user, 'as'), 'Impersonate-Uid': textOf(user, 'as-uid') }),
    ...(groups.length === 0 ? {} : { 'Impersonate-Group': groups }),
    ...Object.fromEntries(extras),
  };
}

/** What a user of a kubeconfig is known by: a token or one in a file, a name and password, a certificate, a program. */
export function identityOf(
  user: Entry,
  environment: Readonly<Record<string, string | undefined>>,
  cluster: () => Promise<ExecCluster>,
): ClusterAccess['identity'] {
  const provider = partOf(user, 'auth-provider');
  const exec = partOf(user, 'exec');
  if (provider !== undefined && exec === undefined) {
    throw new LoomsError('engine-unsupported', `${user.title} has an auth-provider, which Kubernetes 1.26 took away`, {
      hint: 'give the user an `exec` of a credential plugin instead',
    });
  }
  const ask = exec === undefined ? undefined : execCredential(exec, environment, cluster);
  const headers = impersonation(user);
  /** What the program gave for each answer: what is refused is told to it by that. */
  const gave = new WeakMap<Identity, Credential>();
  return async (refused) => {
    const [written, given] = await Promise.all([writtenCredential(user), ask?.(refused && gave.get(refused))]);
    const certificate = written.certificate ?? given?.certificate;
    const authorization = authorizationOf(user, written.token ?? given?.token);
    const identity: Identity = { headers: { ...headers, ...authorization }, ...defined({ certificate }) };
    if (given !== undefined) gave.set(identity, given);
    return identity;
  };
}

/** What stands in the kubeconfig or in files that it names; a file wins, as its text may change. */
async function writtenCredential(user: Entry): Promise<Credential> {
  const file = pathOf(user, 'tokenFile');
  const [cert, key, read] = await Promise.all([
    pemOf(user, 'client-certificate'),
    pemOf(user, 'client-key'),
    file === undefined ? undefined : readNamed(file, user.title),
  ]);
  if ((cert === undefined) !== (key === undefined)) {
    throw new LoomsError('usage', `${user.title} has a certificate without its key, or a key alone`);
  }
  return {
    ...defined({ token: read?.trim() || textOf(user, 'token') }),
    ...(cert === undefined || key === undefined ? {} : { certificate: { cert, key } }),
  };
}

function authorizationOf(user: Entry, token: string | undefined): Identity['headers'] {
  if (token !== undefined) return bearer(token, user.title);
  const name = textOf(user, 'username');
  if (name === undefined) return {};
  const pair = `${name}:${textOf(user, 'password') ?? ''}`;
  return { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** A token as a header. Throws `usage` for one that no header can hold. */
export function bearer(token: string, whose: string): Identity['headers'] {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new LoomsError('usage', `the token of ${whose} holds characters that no token has`);
  }
  return { Authorization: `Bearer ${token}` };
}
