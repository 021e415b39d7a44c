import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { homedir } from 'node:os';
import { basename, dirname, extname, join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import type { ProjectName } from '../model/ids.ts';
import { ownName } from '../model/serve-settings.ts';
import { stateFolder } from '../model/state-folder.ts';
import { KeyFault, makeKeyFile, readKeyFile, readOwnFile } from './key-file.ts';

/** Where the gateway of a project listens on this machine, and where its token is when no other file is named. */
export function servePlaces(
  environment: Readonly<Record<string, string | undefined>>,
  project: ProjectName,
): {
  readonly socket: string;
  readonly tokenFile: string;
  readonly sealFile: string;
  /** Sessions that are over, whose ids the seal would open. */
  readonly notesFile: string;
  readonly address: string;
  /** Folder of the tokens that were made for clients. */
  readonly tokens: string;
} {
  const folder = join(stateFolder(environment, homedir), 'serve');
  const file = (ending: string): string => join(folder, `${project}.${ending}`);
  return {
    socket: file('sock'),
    tokenFile: file('token'),
    sealFile: file('seal'),
    notesFile: file('sessions'),
    address: file('url'),
    tokens: file('tokens'),
  };
}

/** How long a gateway may take to answer at all, ms. */
const answerMs = 1_000;

/** A bearer token, and what its bearer is called in the audit trail: its file without folder and ending. */
export type Token = { readonly value: string; readonly name: string };

/** What a bearer token may be made of (RFC 6750, 2.1), and at least as long as is not guessed. */
const pattern = /^[A-Za-z0-9\-._~+/]{16,}=*$/;

/**
 * Says where a gateway listens on TCP, or that it does not, for whoever connects clients to it; what comes back says that
 * it does no more.
 */
export function noteAddress(path: string, url: string | undefined): () => void {
  const forget = (): void => rmSync(path, { force: true });
  if (url === undefined) forget();
  else writeFileSync(path, `${url}\n`, { mode: 0o600 });
  return forget;
}

/**
 * Where the gateway of a project listens on TCP, if one does now. One that was killed leaves its note, and whoever listens
 * at that address by then would be shown the token: the gateway's own socket has to take connections, which is its user's
 * alone.
 */
export async function findAddress({
  address,
  socket,
}: {
  readonly address: string;
  readonly socket: string;
}): Promise<string | undefined> {
  const connection = createConnection(socket);
  try {
    const url = readFileSync(address, 'utf8').trim();
    if (process.getuid !== undefined && lstatSync(socket).uid !== process.getuid()) return undefined;
    await once(connection, 'connect', { signal: AbortSignal.timeout(answerMs) });
    return url;
  } catch {
    return undefined;
  } finally {
    connection.on('error', () => {}).destroy();
  }
}

/** The token of a file; undefined where there is none. Throws `usage` for one that others may read, or is none. */
export function findToken(path: string): string | undefined {
  return existsSync(path) ? tokenOfFile(path, path).value : undefined;
}

/**
 * The token of a file, made where there is none (mode 0600). Throws `usage` for one that others may read, or is none, and
 * for a name that would make its bearer look like the user of the socket; `usualPath`, which a project has by its own name,
 * is then called by all of its name.
 */
export function tokenOfFile(path: string, usualPath: string): Token {
  const notTheKey = 'a token is one line of 16 or more letters, digits and -._~+/; without the file one is made';
  return ownFile(path, 'token', () => {
    const found = readOwnFile(path, notTheKey)?.trim();
    const short = basename(path, extname(path));
    const name = short === ownName && path === usualPath ? basename(path) : short;
    if (name === ownName) {
      const hint =
        'its bearer is called by the name of the file without ending, and local is whoever comes by the socket';
      throw new KeyFault(`${path} cannot be the file of a token`, hint);
    }
    if (found !== undefined) {
      if (!pattern.test(found)) throw new KeyFault(`${path} holds no token`, notTheKey);
      return { value: found, name };
    }
    return { value: makeKeyFile(path, { what: 'token', notTheKey }).toString('hex'), name };
  });
}

/** The key of a file that ids of sessions are sealed with, made where there is none (mode 0600). Throws as `tokenOfFile`. */
export function sealKeyOfFile(path: string): Buffer {
  const words = { what: 'key of sessions', notTheKey: `rm ${path}; clients then begin new sessions` };
  return ownFile(path, words.what, () => readKeyFile(path, words) ?? makeKeyFile(path, words));
}

/** Reads or makes a file of the gateway in its folder. */
function ownFile<T>(path: string, what: string, work: () => T): T {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return work();
  } catch (error) {
    if (error instanceof KeyFault) throw new LoomsError('usage', error.message, { hint: error.hint, cause: error });
    throw new LoomsError('file-not-writable', `the ${what} cannot be kept in ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
