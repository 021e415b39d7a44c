import type { ProjectName, ServerName } from '../ids.ts';
import { canonicalJson } from '../values/canonical-json.ts';
import { isRecord } from '../values/is-record.ts';
import { parsedJson } from '../values/parsed-json.ts';

/** Keyed hashes of the secrets a container was made with, by variable: a change shows, no value does. */
export type SecretPrints = {
  /** The name of the key, which is no secret. */
  readonly key: string;
  readonly values: Readonly<Record<string, string>>;
};

/** Makes prints of secrets, by which a changed one is known and none is shown. */
export type SecretPrinter = {
  /** What the key is called that they are made with here; undefined while there is none. */
  readonly keyName: () => Promise<string | undefined>;
  /** Prints of a server's secrets, by variable; makes the key where there is none, undefined where it cannot. */
  readonly print: (
    whose: { readonly project: ProjectName; readonly server: ServerName },
    secrets: Readonly<Record<string, string>>,
  ) => Promise<SecretPrints | undefined>;
};

const keyPattern = /^[0-9a-f]{12}$/;
const namePattern = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
/** 128 bits of an HMAC-SHA-256. */
const printPattern = /^[0-9a-f]{32}$/;

/** The text of the label. */
export const writeSecretPrints = (prints: SecretPrints): string => canonicalJson(prints);

/** Reads the label; undefined for a text that looms does not write. */
export function readSecretPrints(text: string): SecretPrints | undefined {
  const value = parsedJson(text);
  if (!isRecord(value) || Object.keys(value).length !== 2) return undefined;
  const { key, values } = value;
  if (typeof key !== 'string' || !keyPattern.test(key) || !isRecord(values)) return undefined;
  const pairs = Object.entries(values);
  const isPrint = (print: unknown): print is string => typeof print === 'string' && printPattern.test(print);
  if (!pairs.every(([name, print]) => namePattern.test(name) && isPrint(print))) return undefined;
  return { key, values: values as Readonly<Record<string, string>> };
}
