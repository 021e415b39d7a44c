import { isRecord } from '../../model/is-record.ts';
/** Says whether a value read from somewhere has a structure; used on labels, which anyone can write. */
export type Check = (value: unknown) => boolean;

export const text: Check = (value) => typeof value === 'string';
export const bool: Check = (value) => typeof value === 'boolean';
export const number: Check = (value) => typeof value === 'number' && Number.isFinite(value);

/** One of these strings. */
export const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value);

export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

export const either =
  (...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value));

export const list =
  (item: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(item);

/** Keys of the user's choice. */
export const record =
  (item: Check): Check =>
  (value) =>
    isRecord(value) && Object.values(value).every(item);

/** These fields; others are let through, so that a newer version's record can still be read. */
export const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isRecord(value) && Object.entries(fields).every(([key, check]) => check(own(value, key)));

/** A union: `tag` says which fields apply. */
export const tagged =
  (tag: string, variants: Readonly<Record<string, Readonly<Record<string, Check>>>>): Check =>
  (value) => {
    if (!isRecord(value)) return false;
    const name = own(value, tag);
    const fields = typeof name === 'string' && Object.hasOwn(variants, name) ? variants[name] : undefined;
    return fields !== undefined && object(fields)(value);
  };

const own = (value: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(value, key) ? value[key] : undefined;
