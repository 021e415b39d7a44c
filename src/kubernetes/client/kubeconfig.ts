import { delimiter, dirname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { ClusterSearch } from './access.ts';
import { readIfThere } from './read-file.ts';

/** A named part of a kubeconfig: a cluster, a user or a context. What stands in it is what somebody wrote. */
export type Entry = {
  /** For messages: `user "admin" of ~/.kube/config`. */
  readonly title: string;
  /** Paths in it start here. */
  readonly folder: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

type Entries = ReadonlyMap<string, Entry>;

export type Kubeconfig = {
  readonly currentContext: string | undefined;
  readonly contexts: Entries;
  readonly clusters: Entries;
  readonly users: Entries;
};

const invalid = (what: string, why: string): LoomsError =>
  new LoomsError('usage', `${what} ${why}`, {
    hint: 'repair it: `kubectl config view` shows what kubectl makes of it',
  });

/** A text field of an entry; undefined for none. Throws `usage` when it is something else. */
export function textOf({ title, fields }: Entry, key: string): string | undefined {
  const value = fields[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw invalid(title, `has a ${key} that is no text`);
  return value;
}

/** A switch of an entry, off by default. Throws `usage` when it is something else. */
export function switchOf({ title, fields }: Entry, key: string): boolean {
  const value = fields[key] ?? false;
  if (typeof value !== 'boolean') throw invalid(title, `has a ${key} that is neither true nor false`);
  return value;
}

/** A list of texts in an entry. Throws `usage` when it is something else. */
export function textsOf({ title, fields }: Entry, key: string): readonly string[] {
  const value = fields[key] ?? [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) {
    throw invalid(title, `has ${key} that are no list of texts`);
  }
  return value;
}

/** A part of an entry that has fields of its own; undefined for none. Throws `usage` when it is something else. */
export function partOf({ title, folder, fields }: Entry, key: string): Entry | undefined {
  const value = fields[key] ?? undefined;
  if (value === undefined) return undefined;
  if (!isRecord(value)) throw invalid(title, `has ${key} without fields`);
  return { title: `${key} of ${title}`, folder, fields: value };
}

/** A path of an entry, seen from its file. */
export const pathOf = (entry: Entry, key: string): string | undefined => {
  const path = textOf(entry, key);
  return path === undefined ? undefined : resolve(entry.folder, path);
};

function parse(text: string, file: string): Readonly<Record<string, unknown>> {
  // Messages that show the line would show credentials.
  const document = parseDocument(text, { prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    throw invalid(file, `is no valid YAML (line ${line})`);
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  if (!isRecord(value)) throw invalid(file, 'is no kubeconfig');
  return value;
}

/** The named entries of one kind in a file. */
function entriesOf(config: Readonly<Record<string, unknown>>, kind: string, file: string): Map<string, Entry> {
  const listed = config[`${kind}s`] ?? [];
  if (!Array.isArray(listed)) throw invalid(file, `has ${kind}s that are no list`);
  const entries = listed.map((one: unknown): [string, Entry] => {
    const name = isRecord(one) ? one.name : undefined;
    if (!isRecord(one) || typeof name !== 'string') throw invalid(file, `has a ${kind} without a name`);
    const title = `${kind} "${name}" of ${file}`;
    const fields = one[kind] ?? {};
    if (!isRecord(fields)) throw invalid(title, 'has no fields');
    return [name, { title, folder: dirname(file), fields }];
  });
  return firstOfEach(entries);
}

/** The first to name a thing has it, in one file and between files. */
function firstOfEach(entries: Iterable<readonly [string, Entry]>): Map<string, Entry> {
  const found = new Map<string, Entry>();
  for (const [name, entry] of entries) if (!found.has(name)) found.set(name, entry);
  return found;
}

function readOne(text: string, file: string): Kubeconfig {
  const config = parse(text, file);
  const current = config['current-context'];
  if (current !== undefined && current !== null && typeof current !== 'string') {
    throw invalid(file, 'has a current-context that is no text');
  }
  return {
    currentContext: current || undefined,
    contexts: entriesOf(config, 'context', file),
    clusters: entriesOf(config, 'cluster', file),
    users: entriesOf(config, 'user', file),
  };
}

/** The files of KUBECONFIG, else the one in the home directory. */
function filesOf({ environment, homeDirectory }: ClusterSearch): readonly string[] {
  const named = (environment.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  return named.length > 0 ? [...new Set(named)].map((file) => resolve(file)) : [join(homeDirectory, '.kube/config')];
}

/**
 * What the files of KUBECONFIG say, or `~/.kube/config`, merged as kubectl does: the first to name a thing has it whole,
 * a file that is not there says nothing. null: there is no file. Throws `usage` for one that is no kubeconfig, and
 * `file-not-found` for one that cannot be read.
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
 */
export async function readKubeconfig(search: ClusterSearch): Promise<Kubeconfig | null> {
  const read = await Promise.all(
    filesOf(search).map(async (file) => {
      const text = await readIfThere(file);
      return text === undefined ? [] : [readOne(text, file)];
    }),
  );
  const found = read.flat();
  if (found.length === 0) return null;
  const merged = (kind: 'contexts' | 'clusters' | 'users'): Entries =>
    firstOfEach(found.flatMap((config) => [...config[kind]]));
  return {
    currentContext: found.find(({ currentContext }) => currentContext !== undefined)?.currentContext,
    contexts: merged('contexts'),
    clusters: merged('clusters'),
    users: merged('users'),
  };
}
