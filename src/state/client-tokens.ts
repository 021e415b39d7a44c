import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { codeOf, messageOf } from '../model/failure.ts';
import { tokenDigest } from '../model/secrets/token-digest.ts';
import { isRecord } from '../model/values/is-record.ts';

/** A token of a client, as it is kept: what it is cannot be had from it. */
export type ClientToken = {
  readonly name: string;
  /** SHA-256 of the token, hex. */
  readonly sha256: string;
  /** Scopes `server:name`. */
  readonly allow: readonly string[];
  /** ISO 8601. */
  readonly created: string;
  readonly expires?: string;
};

/** The tokens of a project on this machine: a file each, so that one is made and revoked at once. */
export type ClientTokens = {
  /** Makes one, and tells it the only time that it is known. Throws `file-exists` for a name that is taken. */
  readonly make: (token: Pick<ClientToken, 'name' | 'allow' | 'expires'>) => ClientToken & { readonly value: string };
  /** By name. */
  readonly list: () => readonly ClientToken[];
  /** False where there is none of that name. */
  readonly revoke: (name: string) => boolean;
};

/** What a token may be called; the socket's own name is none of them. */
const namePattern = /^(?!local$)[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
const ending = '.json';
/** Files' times may be no finer than this, ms: two changes within it look like one. */
const coarseMs = 1_000;

/** Tokens in a folder that is its owner's alone. */
export function createClientTokens(folder: string, now: () => number = Date.now): ClientTokens {
  const fileOf = (name: string): string => {
    if (namePattern.test(name)) return join(folder, `${name}${ending}`);
    throw new LoomsError('usage', `${JSON.stringify(name)} cannot be the name of a token`, {
      hint: 'at most 64 letters, digits, ".", "_" and "-", beginning with a letter or digit; local is the socket',
    });
  };
  let seen: { readonly changed: number; readonly at: number; readonly tokens: readonly ClientToken[] } | undefined;
  return {
    make({ name, allow, expires }) {
      const value = `looms_${randomBytes(32).toString('base64url')}`;
      const sha256 = tokenDigest(value);
      const created = new Date(now()).toISOString();
      const token = { name, sha256, allow, created, ...(expires === undefined ? {} : { expires }) };
      const file = fileOf(name);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(file, `${JSON.stringify(token)}\n`, { flag: 'wx', mode: 0o600 });
      } catch (error) {
        if (codeOf(error) === 'EEXIST') {
          throw new LoomsError('file-exists', `there is a token ${name} already`, {
            hint: `looms token revoke ${name}, or another name`,
          });
        }
        throw new LoomsError('file-not-writable', `the token cannot be kept: ${messageOf(error)}`, { cause: error });
      }
      return { ...token, value };
    },
    list() {
      const changed = statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
      if (changed === undefined) return [];
      if (seen?.changed === changed && seen.at - changed > coarseMs) return seen.tokens;
      const at = Date.now();
      const files = readdirSync(folder).filter((file) => file.endsWith(ending));
      const tokens = files.sort().flatMap((file) => readToken(join(folder, file)));
      seen = { changed, at, tokens };
      return tokens;
    },
    revoke(name) {
      try {
        rmSync(fileOf(name));
        return true;
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return false;
        throw error;
      }
    },
  };
}

/** What is no token counts for nothing: nobody is let in by it. */
function readToken(path: string): readonly ClientToken[] {
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isRecord(found)) return [];
    const { name, sha256, allow, created, expires } = found;
    if (typeof name !== 'string' || typeof sha256 !== 'string' || typeof created !== 'string') return [];
    if (!Array.isArray(allow) || !allow.every((one) => typeof one === 'string')) return [];
    if (expires === undefined) return [{ name, sha256, allow, created }];
    // An end that is not understood is no reason to let somebody in for ever.
    return typeof expires === 'string' && !Number.isNaN(Date.parse(expires))
      ? [{ name, sha256, allow, created, expires }]
      : [];
  } catch {
    return [];
  }
}
