import type { Entry, Place, ReadEntry } from '../../clients/client.ts';
import type { EntryPath, Splice } from '../../clients/edit.ts';
import type { ServerName } from '../../model/ids.ts';
import type { JoinedNames } from '../../model/serve-settings.ts';
import type { Ports } from '../ports.ts';

/** What was put into the file of a client, so that it can be told from what others put there, and taken out again. */
export type EntryRecord = {
  /** Where it really is, links followed. */
  readonly file: string;
  readonly path: EntryPath;
  readonly entry: Entry;
  readonly splice: Splice;
  /** Whether the file was made for it. */
  readonly made: boolean;
};

/** What a client finds behind an entry. */
export type EntryProof = {
  readonly servers: number;
  readonly tools: number;
  /** Servers of the project that no tool came from; absent where none is missing, or which there are is not known. */
  readonly missing?: readonly ServerName[];
};

export type ConnectPorts = Pick<Ports, 'files' | 'workingDirectory'> & {
  readonly place: Place;
  /** Names of the project's servers on the engine. Throws what the engine throws. */
  readonly servers: () => Promise<readonly ServerName[]>;
  /** How tools are called where all servers are one. */
  readonly names: JoinedNames;
  readonly records: {
    readonly read: (file: string, path: EntryPath) => Promise<EntryRecord | undefined>;
    readonly write: (record: EntryRecord) => Promise<void>;
    readonly forget: (file: string, path: EntryPath) => Promise<void>;
  };
  /** Does what a client does with an entry, and lists. Throws `session-failed` or `handshake-timeout`. */
  readonly tryEntry: (entry: TriedEntry, folder: string) => Promise<readonly string[]>;
  /** A token's file as it is; undefined where there is none. Throws `usage` for one that others may read. */
  readonly readToken: (file: string) => string | undefined;
};

/** An entry with all looked up that it refers to. */
export type TriedEntry =
  | Extract<ReadEntry, { kind: 'stdio' }>
  | { readonly kind: 'http'; readonly url: string; readonly headers: Readonly<Record<string, string>> };
