import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { requireSecretName } from '../model/secrets/secret-names.ts';
import { defined } from '../model/values/defined.ts';
import { sourceFailed, type WritableProvider } from './provider.ts';
import { runTool, type ToolResult } from './run-tool.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** How long the keyring may take, ms: it may ask a person to unlock it. */
const defaultTimeoutMs = 30_000;
/** What `security` exits with for an item that is not there. */
const notInKeychain = 44;
/** Most that `secret-tool store` reads, bytes; what is longer it cuts off, and exits 0. */
const mostOfSecretTool = 8191;

/**
 * The OS keyring by its own command, `secret-tool` or `security`; why not where there is none to ask. Its functions throw
 * `secret-source-failed` when it cannot be asked.
 */
export async function findKeyring(
  environment: Environment,
  platform: NodeJS.Platform,
  timeoutMs: number = defaultTimeoutMs,
): Promise<WritableProvider | { readonly missing: string }> {
  const command = platform === 'darwin' ? 'security' : 'secret-tool';
  if (!(await isOnPath(command, environment))) return { missing: `${command} is not on the PATH` };
  if (platform === 'darwin') return keychain(environment, timeoutMs);
  if ((environment.DBUS_SESSION_BUS_ADDRESS ?? '') !== '') return secretService(environment, timeoutMs);
  return { missing: 'there is no desktop session (DBUS_SESSION_BUS_ADDRESS is not set)' };
}

/** libsecret: the value goes in and out through streams, never as an argument. */
function secretService(environment: Environment, timeoutMs: number): WritableProvider {
  const source = 'keyring (secret-tool)';
  const item = (name: string) => ['service', 'looms', 'name', name];
  const run = runner(source, 'secret-tool', environment, timeoutMs);
  const provider: WritableProvider = {
    name: source,
    async get(name) {
      const { exitCode, stdout, stderr } = await run(`look up ${name}`, ['lookup', ...item(name)]);
      // Into a pipe it prints the value and nothing behind it.
      if (exitCode === 0 && stdout !== '') return { found: true, value: stdout };
      // Exit 1 and nothing said is its way to say that there is no such item.
      if (stderr.trim() === '') return { found: false };
      throw sourceFailed(source, `could not look up ${name}: ${firstLine(stderr)}`);
    },
    async set(name, value) {
      requireSecretName(name);
      const bytes = Buffer.byteLength(value);
      if (bytes > mostOfSecretTool) {
        throw new LoomsError('usage', `the keyring takes at most ${mostOfSecretTool} bytes; ${name} has ${bytes}`, {
          hint: 'keep it in the file store',
        });
      }
      const what = `store ${name}`;
      requireSuccess(source, await run(what, ['store', `--label=looms: ${name}`, ...item(name)], value), what);
    },
    async delete(name) {
      const { found } = await provider.get(name);
      const what = `delete ${name}`;
      if (found) requireSuccess(source, await run(what, ['clear', ...item(name)]), what);
      return found;
    },
    async list() {
      const what = 'list its names';
      const ended = await run(what, ['search', '--all', 'service', 'looms']);
      if (ended.exitCode !== 0 && ended.stdout === '' && ended.stderr.trim() === '') return [];
      requireSuccess(source, ended, what);
      // Attributes stand on stderr; values on stdout, where a line of one could look like an attribute.
      return [...ended.stderr.matchAll(/^attribute\.name = (.+)$/gm)].flatMap(([, name]) => name ?? []);
    },
  };
  return provider;
}

/** macOS: values go in through `security -i`, so that they are in no argument list. */
function keychain(environment: Environment, timeoutMs: number): WritableProvider {
  const source = 'keyring (security)';
  const run = runner(source, 'security', environment, timeoutMs);
  return {
    name: source,
    async get(name) {
      const what = `look up ${name}`;
      const result = await run(what, ['find-generic-password', '-s', 'looms', '-a', name, '-w']);
      if (result.exitCode === notInKeychain) return { found: false };
      requireSuccess(source, result, what);
      return { found: true, value: result.stdout.replace(/\n$/, '') };
    },
    async set(name, value) {
      requireSecretName(name);
      // `security` prints other text as hexadecimal digits, which could not be told from a value of such digits.
      if (!/^[\x20-\x7e]*$/.test(value)) {
        throw new LoomsError('usage', `the keychain takes secrets of one line of ASCII only; ${name} is none`, {
          hint: 'keep it in the file store',
        });
      }
      const hex = Buffer.from(value, 'utf8').toString('hex');
      const line = `add-generic-password -U -s looms -a ${name} -X ${hex}\n`;
      const what = `store ${name}`;
      requireSuccess(source, await run(what, ['-i'], line), what);
    },
    async delete(name) {
      const what = `delete ${name}`;
      const result = await run(what, ['delete-generic-password', '-s', 'looms', '-a', name]);
      if (result.exitCode === notInKeychain) return false;
      requireSuccess(source, result, what);
      return true;
    },
    async list() {
      const what = 'list its names';
      // Attributes only: values would need -d.
      const result = await run(what, ['dump-keychain']);
      requireSuccess(source, result, what);
      return result.stdout.split(/^keychain: /m).flatMap((item) => {
        if (!/^\s*"svce"<blob>="looms"$/m.test(item)) return [];
        return /^\s*"acct"<blob>="(.+)"$/m.exec(item)?.[1] ?? [];
      });
    },
  };
}

type Ended = Extract<ToolResult, { result: 'ended' }>;

/** Runs the keyring's own command to its end, on `input` where there is any; `what` says for people what for. */
const runner =
  (source: string, command: string, environment: Environment, timeoutMs: number) =>
  async (what: string, argv: readonly string[], input?: string): Promise<Ended> => {
    const result = await runTool([command, ...argv], { timeoutMs, environment, ...defined({ input }) });
    if (result.result === 'ended') return result;
    const why = result.result === 'not-started' ? result.why : 'it did not answer in time';
    throw sourceFailed(source, `could not ${what}: ${why}`);
  };

function requireSuccess(source: string, { exitCode, stderr }: Ended, what: string): void {
  if (exitCode === 0) return;
  throw sourceFailed(source, `could not ${what}: ${firstLine(stderr) || `exit code ${exitCode}`}`);
}

const firstLine = (text: string): string => text.trim().split('\n', 1)[0] ?? '';

async function isOnPath(command: string, environment: Environment): Promise<boolean> {
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const found = await access(join(folder, command), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
