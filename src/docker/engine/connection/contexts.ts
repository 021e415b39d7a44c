import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LoomsError } from '../../../model/errors.ts';
import { sha256 } from '../../../model/values/sha256.ts';
import { type Endpoint, parseHost, readOptional, readTls } from './endpoint.ts';

type ContextMeta = {
  readonly Name?: string;
  readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } };
};

/** Docker's own context, which is there without a file: the usual sockets. */
const ownContext = 'default';

/** Contexts are stored by the SHA-256 of their names. */
const folderOf = (name: string): string => sha256(name);

const readMeta = async (configDirectory: string, folder: string): Promise<ContextMeta | undefined> =>
  (await readJson(join(configDirectory, 'contexts', 'meta', folder, 'meta.json'))) as ContextMeta | undefined;

const hostOf = (meta: ContextMeta | undefined): string | undefined => meta?.Endpoints?.docker?.Host || undefined;

/**
 * The names of the contexts that lead to an engine, Docker's own first. Throws `usage` where the file of `wanted` is broken;
 * of another one it is left out: who asks for a context needs no other.
 */
export async function contextNames(configDirectory: string, wanted?: string): Promise<readonly string[]> {
  const folders = await readdir(join(configDirectory, 'contexts', 'meta')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw new LoomsError('file-not-found', `cannot read the contexts in ${configDirectory}`, { cause: error });
  });
  const names = folders.map(async (folder) => {
    const meta = await readMeta(configDirectory, folder).catch((error: unknown) => {
      if (wanted !== undefined && folder === folderOf(wanted)) throw error;
      return undefined;
    });
    return hostOf(meta) === undefined ? [] : [meta?.Name ?? folder];
  });
  return [ownContext, ...(await Promise.all(names)).flat().sort()];
}

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
  return typeof name === 'string' && name !== '' && name !== ownContext ? name : undefined;
}

/** Unreadable and absent mean the same here: no certificates of this context to use. */
const isDirectory = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true;

/** A context's endpoint. Throws `context-not-found`. */
export async function contextEndpoint(configDirectory: string, name: string, origin: string): Promise<Endpoint> {
  const folder = folderOf(name);
  const meta = await readMeta(configDirectory, folder);
  const host = hostOf(meta);
  if (host === undefined) {
    throw new LoomsError('context-not-found', `there is no Docker context "${name}" (${origin})`, {
      hint: '`docker context ls` lists the contexts there are',
    });
  }
  const tlsDirectory = join(configDirectory, 'contexts', 'tls', folder, 'docker');
  const tls = (await isDirectory(tlsDirectory))
    ? await readTls(tlsDirectory, meta?.Endpoints?.docker?.SkipTLSVerify !== true)
    : undefined;
  return parseHost(host, origin, tls);
}
