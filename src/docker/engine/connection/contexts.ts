import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LoomsError } from '../../../model/errors.ts';
import { sha256 } from '../../../model/values/sha256.ts';
import { type Endpoint, parseHost, readOptional, readTls } from './endpoint.ts';

type ContextMeta = {
  readonly Name?: string;
  readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } };
};

async function readJson(file: string): Promise<unknown> {
  const text = await readOptional(file);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    throw new LoomsError('usage', `${file} is no valid JSON`, { hint: 'repair or remove the file', cause: error });
  }
}

/** The `currentContext` of Docker's `config.json`, undefined when it names none. Throws when the file is broken. */
export async function currentContext(configDirectory: string): Promise<string | undefined> {
  const config = (await readJson(join(configDirectory, 'config.json'))) as { currentContext?: unknown } | undefined;
  const name = config?.currentContext;
  return typeof name === 'string' && name !== '' && name !== 'default' ? name : undefined;
}

/** Unreadable and absent mean the same here: no certificates of this context to use. */
const isDirectory = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/** A context's endpoint; contexts are stored by the SHA-256 of their names. Throws `context-not-found`. */
export async function contextEndpoint(configDirectory: string, name: string, origin: string): Promise<Endpoint> {
  const hash = sha256(name);
  const meta = (await readJson(join(configDirectory, 'contexts', 'meta', hash, 'meta.json'))) as
    | ContextMeta
    | undefined;
  const docker = meta?.Endpoints?.docker;
  if (docker?.Host === undefined || docker.Host === '') {
    throw new LoomsError('context-not-found', `there is no Docker context "${name}" (${origin})`, {
      hint: '`docker context ls` lists the contexts there are',
    });
  }
  const tlsDirectory = join(configDirectory, 'contexts', 'tls', hash, 'docker');
  const tls = (await isDirectory(tlsDirectory))
    ? await readTls(tlsDirectory, docker.SkipTLSVerify !== true)
    : undefined;
  return parseHost(docker.Host, origin, tls);
}
