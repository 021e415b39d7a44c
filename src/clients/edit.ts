import { canonicalJson } from '../model/values/canonical-json.ts';
import { isRecord } from '../model/values/is-record.ts';
import type { FileFormat } from './client.ts';
import { jsonText } from './json-text.ts';
import type { FormatText, ReadText } from './text.ts';
import { tomlText } from './toml-text.ts';
import { yamlText } from './yaml-text.ts';

const formats: Readonly<Record<FileFormat, FormatText>> = { json: jsonText, toml: tomlText, yaml: yamlText };

/** What was put into a text and what it took the place of, from which the text can be made as it was. */
export type Splice = { readonly at: number; readonly removed: string; readonly inserted: string };

/** The path of an entry in its file. */
export type EntryPath = readonly [key: string, name: string];

/** Reads the file of a client. */
export const readClientText = (format: FileFormat, text: string): ReadText => formats[format].read(text);

/** The text of an entry alone, as a file would have it. */
export const printEntry = (format: FileFormat, path: EntryPath, value: unknown): string =>
  formats[format].print(path, value);

/** What stands at a path; undefined where nothing does. */
export function entryAt(value: unknown, [key, name]: EntryPath): unknown {
  const servers = isRecord(value) ? value[key] : undefined;
  return isRecord(servers) && Object.hasOwn(servers, name) ? servers[name] : undefined;
}

/**
 * The text with an entry put in, or taken out where none is given. Undefined where that cannot be done without touching
 * anything else: what comes out is read again, and has to be what went in but for the entry.
 */
export function editText(format: FileFormat, text: string, path: EntryPath, entry: unknown): string | undefined {
  const { read, put, take } = formats[format];
  const before = read(text);
  if (!before.ok) return undefined;
  const after = entry === undefined ? take(text, path) : put(text, path, entry);
  return differsOnlyAt(before.value, read(after), path, entry) ? after : undefined;
}

/** The text as it was before an edit, where what the edit put in is still there as it was put in; else undefined. */
export function undoSplice(format: FileFormat, text: string, path: EntryPath, splice: Splice): string | undefined {
  const { at, removed, inserted } = splice;
  const place = text.startsWith(inserted, at) ? at : text.indexOf(inserted);
  if (inserted === '' || place === -1) return undefined;
  if (place !== at && text.indexOf(inserted, place + 1) !== -1) return undefined;
  const { read } = formats[format];
  const before = read(text);
  const after = `${text.slice(0, place)}${removed}${text.slice(place + inserted.length)}`;
  const now = read(after);
  if (!before.ok || !now.ok) return undefined;
  return differsOnlyAt(before.value, now, path, entryAt(now.value, path)) ? after : undefined;
}

/** The one place in which two texts differ. */
export function spliceOf(before: string, after: string): Splice {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start += 1;
  let same = 0;
  const most = Math.min(before.length, after.length) - start;
  while (same < most && before[before.length - 1 - same] === after[after.length - 1 - same]) same += 1;
  return {
    at: start,
    removed: before.slice(start, before.length - same),
    inserted: after.slice(start, after.length - same),
  };
}

/** Servers that are none and servers that are not there are the same to every client. */
function differsOnlyAt(before: unknown, after: ReadText, [key, name]: EntryPath, entry: unknown): boolean {
  if (!after.ok || !isRecord(before) || !isRecord(after.value)) return false;
  const parts = (value: Readonly<Record<string, unknown>>): readonly unknown[] | undefined => {
    const { [key]: servers, ...others } = value;
    if (servers !== undefined && servers !== null && !isRecord(servers)) return undefined;
    const { [name]: _, ...rest } = servers ?? {};
    return [others, rest];
  };
  const wanted = parts(before);
  return wanted !== undefined && isSame(wanted, parts(after.value)) && isSame(entryAt(after.value, [key, name]), entry);
}

/** Whether two values say the same, in whatever order their keys are. */
export const isSame = (one: unknown, other: unknown): boolean => plainText(one) === plainText(other);

/** Through JSON, as formats have prototypes and dates of their own. */
const plainText = (value: unknown): string =>
  value === undefined
    ? ''
    : canonicalJson(JSON.parse(JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one))));
