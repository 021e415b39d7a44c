import type { EnvValue } from '../../model/desired.ts';
import type { Finding } from './findings.ts';

/** A finding at a path; positions are looked up where the document is known. */
export type PathFinding = Omit<Finding, 'span' | 'related'> & {
  /** Mark the key instead of the value: for findings about a field being there at all. */
  readonly onKey?: boolean;
  readonly related?: readonly { readonly path: string; readonly message: string }[];
};

/** What the rules of one document need to know besides its value. */
export type Reader = {
  /** Whether the field stands in the document, also when its value was wrong and left out. */
  readonly has: (path: string) => boolean;
  readonly report: (finding: PathFinding) => void;
  /** Whether two places hold the same value, references to secrets included. */
  readonly sameValue: (one: string, other: string) => boolean;
  /** The value of an environment at this path, with its references. */
  readonly variable: (path: string) => EnvValue | undefined;
  /** Folder that relative paths start at, absolute. */
  readonly directory: string;
};

/** A record with sorted keys: the same content gives the same bytes. */
export function sortedRecord<T>(record: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  const entries = Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1));
  // Object.fromEntries defines own properties also for names such as __proto__.
  return Object.fromEntries(entries);
}
