import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { messageOf } from '../../../model/failure.ts';
import { credentialKey } from './reference.ts';

/** As the engine takes it in X-Registry-Auth. */
type RegistryAuth =
  | { readonly username: string; readonly password: string; readonly serveraddress: string }
  | { readonly identitytoken: string; readonly serveraddress: string };

/**
 * `none` is an anonymous request. `note` says why credentials that should be there could not be had: it is shown only
 * when the registry refuses, since a public image needs none (Docker's own command line goes on likewise).
 */
export type Credential =
  | { readonly kind: 'found'; readonly auth: RegistryAuth }
  | { readonly kind: 'none'; readonly note?: string };

/** How a request to a registry through the engine carries them: base64url with the padding that Node's own leaves out. */
export const authHeaders = (credential: Credential): Readonly<Record<string, string>> => {
  if (credential.kind === 'none') return {};
  const text = Buffer.from(JSON.stringify(credential.auth)).toString('base64');
  return { 'X-Registry-Auth': text.replaceAll('+', '-').replaceAll('/', '_') };
};

/** Looks up the credentials of a registry (`docker.io`, `host:port`). Never rejects. */
export type CredentialSource = (registry: string) => Promise<Credential>;

type DockerConfig = {
  readonly auths?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
};

/** What a helper prints when it has nothing for a server (docker-credential-helpers, `credentials/error.go`). */
const helperHasNone = 'credentials not found in native keychain';

/** A helper may ask a keyring that waits for a person; beyond this many ms the request goes out anonymous. */
const helperLimitMs = 30_000;

/** Credentials from the user's own Docker configuration: `credHelpers`, `credsStore`, `auths`, in Docker's order. */
export function dockerCredentials(environment: Readonly<Record<string, string | undefined>>): CredentialSource {
  return async (registry) => {
    const folder = environment.DOCKER_CONFIG || join(environment.HOME ?? environment.USERPROFILE ?? '', '.docker');
    const path = join(folder, 'config.json');
    const config = await readConfig(path);
    if (typeof config === 'string') return config === '' ? { kind: 'none' } : { kind: 'none', note: config };

    const key = credentialKey(registry);
    const helper = config.credHelpers?.[key] ?? config.credHelpers?.[registry] ?? config.credsStore;
    if (helper) return askHelper(helper, key, environment);
    const entry = Object.entries(config.auths ?? {}).find(([name]) => hostOf(name) === hostOf(key))?.[1];
    return entry === undefined ? { kind: 'none' } : fromEntry(entry, key, path);
  };
}

/** The configuration, or why it cannot be read; '' when there is none. */
async function readConfig(path: string): Promise<DockerConfig | string> {
  try {
    const config: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof config === 'object' && config !== null ? config : `${path} holds no JSON object`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    return `${path} cannot be read: ${messageOf(error)}`;
  }
}

/** Old entries are addresses (`https://host/v1/`), new ones hosts. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function fromEntry(entry: Readonly<Record<string, unknown>>, key: string, path: string): Credential {
  const { identitytoken, auth } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '') {
    return { kind: 'found', auth: { identitytoken, serveraddress: key } };
  }
  let { username, password } = entry;
  if (typeof auth === 'string' && auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = decoded.indexOf(':');
    if (colon < 0) return { kind: 'none', note: `${path} has a damaged entry for ${key}` };
    username = decoded.slice(0, colon);
    password = decoded.slice(colon + 1);
  }
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') return { kind: 'none' };
  return { kind: 'found', auth: { username, password, serveraddress: key } };
}

async function askHelper(
  helper: string,
  key: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Credential> {
  const program = `docker-credential-${helper}`;
  try {
    const child = spawn(program, ['get'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...environment },
      timeout: helperLimitMs,
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    // A helper that ends before it has read its input breaks the pipe; its exit code says what is wrong.
    child.stdin.on('error', () => undefined);
    child.stdin.end(key);
    const [output, code] = await Promise.all([text(child.stdout), ended]);
    if (code === 0) return fromHelper(output, program, key);
    if (output.trim() === helperHasNone) return { kind: 'none' };
    return { kind: 'none', note: `${program} gave no credentials for ${key} (exit code ${code})` };
  } catch (error) {
    return { kind: 'none', note: `${program} cannot be run: ${messageOf(error)}` };
  }
}

function fromHelper(output: string, program: string, key: string): Credential {
  const unreadable: Credential = { kind: 'none', note: `the answer of ${program} for ${key} is not understood` };
  try {
    const { Username: username, Secret: secret } = JSON.parse(output) as Record<string, unknown>;
    if (typeof username !== 'string' || typeof secret !== 'string') return unreadable;
    if (username === '<token>') return { kind: 'found', auth: { identitytoken: secret, serveraddress: key } };
    return { kind: 'found', auth: { username, password: secret, serveraddress: key } };
  } catch {
    // Not passed on as a cause: a parser's message quotes the text, which may be the secret.
    return unreadable;
  }
}
