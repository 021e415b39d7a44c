import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { stateFolder } from '../model/state-folder.ts';
import { sha256 } from '../model/values/sha256.ts';

/** Of which file of a client, and of which entry in it. */
type About = { readonly file: string; readonly path: readonly string[] };

type EntryRecords<R extends About> = {
  /** Undefined where there is none that can be read. */
  readonly read: (file: string, path: R['path']) => Promise<R | undefined>;
  /** Throws `file-not-writable`. */
  readonly write: (record: R) => Promise<void>;
  readonly forget: (file: string, path: R['path']) => Promise<void>;
};

/** What looms put into the files of clients, one file each in the state folder (mode 0600: it may hold a token). */
export function entryRecords<R extends About>(
  environment: Readonly<Record<string, string | undefined>>,
): EntryRecords<R> {
  const folder = join(stateFolder(environment, homedir), 'clients');
  const placeOf = (file: string, path: R['path']): string =>
    join(folder, `${sha256(JSON.stringify([file, ...path])).slice(0, 32)}.json`);
  return {
    read: async (file, path) => {
      try {
        return JSON.parse(readFileSync(placeOf(file, path), 'utf8'));
      } catch {
        return undefined;
      }
    },
    write: async (record) => {
      const place = placeOf(record.file, record.path);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const fresh = `${place}.${process.pid}`;
        writeFileSync(fresh, JSON.stringify(record), { mode: 0o600, flush: true });
        renameSync(fresh, place);
      } catch (error) {
        throw new LoomsError('file-not-writable', `what was written cannot be remembered: ${messageOf(error)}`, {
          hint: `make ${folder} writable, or set XDG_STATE_HOME`,
          cause: error,
        });
      }
    },
    forget: async (file, path) => rmSync(placeOf(file, path), { force: true }),
  };
}
