import { isRecord } from './is-record.ts';

/** Says whether a value read from somewhere has a structure; used on labels, which anyone can write. */
export type Check<T = unknown> = (value: unknown) => value is T;

/** What passed a check. */
export type Checked<C> = C extends Check<infer T> ? T : never;

export const text: Check<string> = (value): value is string => typeof value === 'string';
export const bool: Check<boolean> = (value): value is boolean => typeof value === 'boolean';
export const number: Check<number> = (value): value is number => typeof value === 'number' && Number.isFinite(value);

/** One of these strings. */
export const oneOf =
  <const T extends string>(...values: readonly T[]): Check<T> =>
  (value): value is T =>
    values.some((one) => one === value);

export const optional =
  <T>(check: Check<T>): Check<T | undefined> =>
  (value): value is T | undefined =>
    value === undefined || check(value);

export const either =
  <A, B>(one: Check<A>, other: Check<B>): Check<A | B> =>
  (value): value is A | B =>
    one(value) || other(value);

export const list =
  <T>(item: Check<T>): Check<readonly T[]> =>
  (value): value is readonly T[] =>
    Array.isArray(value) && value.every(item);

/** Keys of the user's choice. */
export const record =
  <T>(item: Check<T>): Check<Readonly<Record<string, T>>> =>
  (value): value is Readonly<Record<string, T>> =>
    isRecord(value) && Object.values(value).every(item);

type Checks = Readonly<Record<string, Check>>;

/** A type with its parts put together, as people read it. */
export type Flat<T> = { [K in keyof T]: T[K] };

type ObjectOf<F extends Checks> = Flat<
  { readonly [K in keyof F as undefined extends Checked<F[K]> ? never : K]: Checked<F[K]> } & {
    readonly [K in keyof F as undefined extends Checked<F[K]> ? K : never]?: Exclude<Checked<F[K]>, undefined>;
  }
>;

/** These fields; others are let through, so that a newer version's record can still be read. */
export const object =
  <F extends Checks>(fields: F): Check<ObjectOf<F>> =>
  (value): value is ObjectOf<F> =>
    isRecord(value) && Object.entries(fields).every(([key, check]) => check(own(value, key)));

/** A union: `tag` says which fields apply. */
export const tagged =
  <Tag extends string, V extends Readonly<Record<string, Checks>>>(tag: Tag, variants: V) =>
  (value: unknown): value is { [K in keyof V]: Flat<{ readonly [P in Tag]: K } & ObjectOf<V[K]>> }[keyof V] => {
    if (!isRecord(value)) return false;
    const name = own(value, tag);
    const fields = typeof name === 'string' && Object.hasOwn(variants, name) ? variants[name] : undefined;
    return fields !== undefined && object(fields)(value);
  };

export const own = (value: Readonly<Record<string, unknown>>, key: string): unknown =>
  Object.hasOwn(value, key) ? value[key] : undefined;
