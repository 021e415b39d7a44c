import { resolve } from 'node:path';
import type { SecretProviderConfig, VaultAuth } from '../model/secrets/secret-providers.ts';
import { defined } from '../model/values/defined.ts';
import type { ProjectInput } from './generated/validators.mjs';
import type { Reader } from './read/reader.ts';
import { childPath } from './read/tree.ts';

type ProviderInput = NonNullable<NonNullable<ProjectInput['secrets']>['providers']>[number];
type AuthInput = NonNullable<ProviderInput['auth']>;

/** The keys of one kind, besides the one that names it. */
type Keys<Name> = { readonly needs: readonly Name[]; readonly takes: readonly Name[] };

const none = { needs: [], takes: [] } as const;
const ofAws = { needs: [], takes: ['prefix', 'region', 'profile'] } as const;

const keysOfType: Readonly<Record<NonNullable<ProviderInput['type']>, Keys<keyof ProviderInput>>> = {
  environment: none,
  keyring: none,
  file: none,
  directory: { needs: ['path'], takes: [] },
  command: { needs: ['argv'], takes: [] },
  vault: { needs: ['address', 'path'], takes: ['namespace', 'mount', 'field', 'auth'] },
  '1password': { needs: ['vault'], takes: ['field', 'account'] },
  'aws-secrets-manager': ofAws,
  'aws-ssm': ofAws,
  'gcp-secret-manager': { needs: [], takes: ['prefix', 'project'] },
  'azure-key-vault': { needs: ['vault'], takes: [] },
};

const keysOfMethod: Readonly<Record<VaultAuth['method'], Keys<keyof AuthInput>>> = {
  token: { needs: [], takes: ['token_file'] },
  approle: { needs: ['role_id'], takes: ['mount', 'secret_id_file'] },
  kubernetes: { needs: ['role'], takes: ['mount', 'token_file'] },
};

/** The sources of secrets that `secrets.providers` lists; those with a finding are left out. */
export function secretProvidersOf(reader: Reader, input: ProjectInput): readonly SecretProviderConfig[] {
  const seen = new Map<string, string>();
  return (input.secrets?.providers ?? []).flatMap((provider, index) => {
    const path = childPath('secrets.providers', index);
    const { type } = provider;
    if (type === undefined || !keysFit(reader, path, provider, `type ${type}`, 'type', keysOfType[type])) return [];
    const before = seen.get(type);
    if (before !== undefined && (type === 'environment' || type === 'keyring' || type === 'file')) {
      reader.report({
        code: 'conflict',
        path: `${path}.type`,
        message: `${type} has two places in the order`,
        hint: 'keep one of them',
        related: [{ path: before, message: 'the first is here' }],
      });
    }
    seen.set(type, before ?? `${path}.type`);
    return providerOf(reader, path, provider);
  });
}

/** Reports the keys that a kind lacks, and those that mean nothing to it; whether it can be made. */
function keysFit<Input extends object>(
  reader: Reader,
  path: string,
  input: Input,
  kind: string,
  kindKey: keyof Input & string,
  { needs, takes }: Keys<keyof Input>,
): boolean {
  for (const key of Object.keys(input) as (keyof Input & string)[]) {
    if (key === kindKey || needs.includes(key) || takes.includes(key)) continue;
    const all = [...needs, ...takes].join(', ');
    reader.report({
      code: 'no-effect',
      path: `${path}.${key}`,
      onKey: true,
      message: `${key} has no effect with ${kind}`,
      hint: all === '' ? 'remove it' : `remove it; ${kind} takes ${all}`,
    });
  }
  const missing = needs.filter((key) => !reader.has(`${path}.${String(key)}`));
  if (missing.length > 0) {
    reader.report({ code: 'missing-key', path, message: `${kind} needs ${missing.join(' and ')}` });
  }
  // One that stands there and is missing here has a finding of its own.
  return needs.every((key) => input[key] !== undefined);
}

function providerOf(reader: Reader, path: string, input: ProviderInput): readonly SecretProviderConfig[] {
  const { type, path: folder, argv, address, vault, account, prefix = '', region, profile, project } = input;
  switch (type) {
    case 'environment':
    case 'keyring':
    case 'file':
      return [{ type }];
    case 'directory':
      return folder === undefined ? [] : [{ type, path: resolve(reader.directory, folder) }];
    case 'command':
      return argv === undefined ? [] : [{ type, argv }];
    case 'vault':
      return folder === undefined || address === undefined ? [] : vaultOf(reader, path, input, folder, address);
    case '1password': {
      const { field = 'password' } = input;
      if (vault === undefined) return [];
      return [{ type, vault, field, ...defined({ account }) }];
    }
    case 'aws-secrets-manager':
    case 'aws-ssm':
      return [{ type, prefix, ...defined({ region, profile }) }];
    case 'gcp-secret-manager':
      return [{ type, prefix, ...defined({ project }) }];
    case 'azure-key-vault':
      return vault === undefined ? [] : [{ type, vault }];
    default:
      return [];
  }
}

const onThisMachine = /^http:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?\/?$/;

function vaultOf(
  reader: Reader,
  path: string,
  { namespace, mount = 'secret', field, auth }: ProviderInput,
  entry: string,
  address: string,
): readonly SecretProviderConfig[] {
  if (address.startsWith('http:') && !onThisMachine.test(address)) {
    reader.report({
      code: 'insecure-address',
      path: `${path}.address`,
      message: 'over http:// the token and every secret could be read on the way',
      hint: 'https://, or a proxy or agent of Vault on this machine (http://127.0.0.1:8200)',
    });
  }
  if (reader.has(`${path}.field`) && !entry.includes('{name}')) {
    reader.report({
      code: 'no-effect',
      path: `${path}.field`,
      onKey: true,
      message: 'field has no effect without {name} in path: the name of a secret is its key in the one entry',
      hint: `remove it, or path: ${entry}/{name}`,
    });
  }
  const login = authOf(reader, `${path}.auth`, auth);
  if (login === undefined) return [];
  const trimmed = (text: string): string => text.replaceAll(/^\/+|\/+$/g, '');
  return [
    {
      ...{ type: 'vault', address: address.replace(/\/+$/, ''), mount: trimmed(mount), path: trimmed(entry) },
      ...{ field: field ?? 'value', auth: login },
      ...defined({ namespace }),
    },
  ];
}

/** Where a pod finds the token of its service account. */
const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

function authOf(reader: Reader, path: string, auth: AuthInput | undefined): VaultAuth | undefined {
  if (auth === undefined) return reader.has(path) ? undefined : { method: 'token' };
  const { method, mount, role_id: roleId, role } = auth;
  if (method === undefined || !keysFit(reader, path, auth, `method ${method}`, 'method', keysOfMethod[method]))
    return undefined;
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(reader.directory, file));
  const tokenFile = at(auth.token_file);
  if (method === 'token') return { method, ...defined({ tokenFile }) };
  if (method === 'kubernetes') {
    return role === undefined
      ? undefined
      : { method, mount: mount ?? method, role, tokenFile: tokenFile ?? serviceAccountToken };
  }
  const secretIdFile = at(auth.secret_id_file);
  return roleId === undefined ? undefined : { method, mount: mount ?? method, roleId, ...defined({ secretIdFile }) };
}
