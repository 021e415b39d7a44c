import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { stateFolder } from '../model/state-folder.ts';

type EntryPath = readonly [key: string, name: string];

/** What was put into the file of a client (src/app/connect/ports.ts). */
type EntryRecord = {
  readonly file: string;
  readonly path: EntryPath;
  readonly entry: Readonly<Record<string, unknown>>;
  readonly splice: { readonly at: number; readonly removed: string; readonly inserted: string };
  readonly made: boolean;
};

type EntryRecords = {
  /** Undefined where there is none that can be read. */
  readonly read: (file: string, path: EntryPath) => Promise<EntryRecord | undefined>;
  /** Throws `file-not-writable`. */
  readonly write: (record: EntryRecord) => Promise<void>;
  readonly forget: (file: string, path: EntryPath) => Promise<void>;
};

/** What looms put into the files of clients, one file each in the state folder (mode 0600: it may hold a token). */
export function entryRecords(environment: Readonly<Record<string, string | undefined>>): EntryRecords {
  const folder = join(stateFolder(environment, homedir), 'clients');
  const placeOf = (file: string, path: EntryPath): string =>
    join(
      folder,
      `${createHash('sha256')
        .update(JSON.stringify([file, ...path]))
        .digest('hex')
        .slice(0, 32)}.json`,
    );
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
