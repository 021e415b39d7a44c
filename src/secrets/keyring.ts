import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { requireSecretName } from '../model/secret-names.ts';
import type { WritableProvider } from './provider.ts';
import { runTool, type ToolResult } from './run-tool.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** How long the keyring may take, ms: it may ask a person to unlock it. */
const timeoutMs = 30_000;
/** What `security` exits with for an item that is not there. */
const notInKeychain = 44;

/** The OS keyring by its own command, `secret-tool` or `security`; undefined where there is none to ask. */
export async function findKeyring(
  environment: Environment,
  platform: NodeJS.Platform,
): Promise<WritableProvider | undefined> {
  if (platform === 'darwin') return (await isOnPath('security', environment)) ? keychain(environment) : undefined;
  const hasBus = (environment.DBUS_SESSION_BUS_ADDRESS ?? '') !== '';
  return hasBus && (await isOnPath('secret-tool', environment)) ? secretService(environment) : undefined;
}

/** libsecret: the value goes in and out through streams, never as an argument. */
function secretService(environment: Environment): WritableProvider {
  const item = (name: string) => ['service', 'looms', 'name', name];
  const run = (argv: readonly string[], input?: string) =>
    runTool(['secret-tool', ...argv], { timeoutMs, environment, ...(input === undefined ? {} : { input }) });
  const provider: WritableProvider = {
    name: 'keyring',
    async get(name) {
      const result = await run(['lookup', ...item(name)]);
      if (result.result === 'ended' && result.exitCode === 0 && result.stdout !== '') {
        return { found: true, value: result.stdout.replace(/\n$/, '') };
      }
      const ended = requireEnd(result, `look up ${name}`);
      // Exit 1 and nothing said is its way to say that there is no such item.
      return ended.stderr.trim() === '' ? { found: false } : { found: false, why: firstLine(ended.stderr) };
    },
    async set(name, value) {
      requireSecretName(name);
      requireSuccess(await run(['store', `--label=looms: ${name}`, ...item(name)], value), `store ${name}`);
    },
    async delete(name) {
      const { found } = await provider.get(name);
      if (found) requireSuccess(await run(['clear', ...item(name)]), `delete ${name}`);
      return found;
    },
  };
  return provider;
}

/** macOS: values go in through `security -i`, so that they are in no argument list. */
function keychain(environment: Environment): WritableProvider {
  const run = (argv: readonly string[], input?: string) =>
    runTool(['security', ...argv], { timeoutMs, environment, ...(input === undefined ? {} : { input }) });
  return {
    name: 'keyring',
    async get(name) {
      const result = requireEnd(
        await run(['find-generic-password', '-s', 'looms', '-a', name, '-w']),
        `look up ${name}`,
      );
      if (result.exitCode === 0) return { found: true, value: result.stdout.replace(/\n$/, '') };
      return result.exitCode === notInKeychain ? { found: false } : { found: false, why: firstLine(result.stderr) };
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
      requireSuccess(await run(['-i'], line), `store ${name}`);
    },
    async delete(name) {
      const result = requireEnd(await run(['delete-generic-password', '-s', 'looms', '-a', name]), `delete ${name}`);
      if (result.exitCode === notInKeychain) return false;
      requireSuccess(result, `delete ${name}`);
      return true;
    },
  };
}

type Ended = Extract<ToolResult, { result: 'ended' }>;

function requireEnd(result: ToolResult, what: string): Ended {
  if (result.result === 'ended') return result;
  const why = result.result === 'not-started' ? result.why : 'it did not answer in time';
  throw new LoomsError('secret-missing', `the keyring could not ${what}: ${why}`);
}

function requireSuccess(result: ToolResult, what: string): void {
  const ended = requireEnd(result, what);
  if (ended.exitCode === 0) return;
  throw new LoomsError('secret-missing', `the keyring could not ${what}: ${firstLine(ended.stderr)}`);
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
