import { isAlike } from './values/alike.ts';
import { canonicalJson } from './values/canonical-json.ts';
import { isRecord } from './values/is-record.ts';
import { type Check, type Flat, object, optional, own, tagged } from './values/structure.ts';

/** A field of a spec (desired.ts): its type, how it is read, written, recorded, hashed and called in a plan. */
export type Field<T = unknown, Optional extends boolean = boolean, Plain extends boolean = boolean> = {
  readonly kind: 'field';
  /** Where a spec file has it, below its group: `memory_mb`, `custom.entrypoint_cmd`. */
  readonly path: string;
  readonly check: Check<T>;
  /** What it is where a file says nothing; not written then either. */
  readonly default?: T;
  readonly optional: Optional;
  /** Taken from a file as it stands there; else code of its own makes it (src/spec/fields). */
  readonly plain: Plain;
  /** Younger than records that lack it: in those it is `before`, and nothing of it is recorded or hashed while it is that. */
  readonly later?: true;
  readonly before?: T;
};

/** Fields that stand below one key of a file; with an empty path, beside the fields of the group around them. */
export type Group<F extends Fields = Fields> = { readonly kind: 'group'; readonly path: string; readonly fields: F };

/** A union: the field `tag`, which files have at `tagPath`, says which fields there are. */
export type Choice<
  Tag extends string = string,
  V extends Readonly<Record<string, Fields>> = Readonly<Record<string, Fields>>,
> = {
  readonly kind: 'choice';
  readonly path: string;
  readonly tag: Tag;
  readonly tagPath: string;
  readonly variants: V;
};

// An interface, as a type cannot name itself here.
export interface Fields {
  readonly [name: string]: Field | Group | Choice;
}

type Defaulted<T> = { readonly default: T };

/** As a file has it, or its default. */
export const field = <T>(
  path: string,
  check: Check<T>,
  byDefault: NoInfer<T>,
): Field<T, false, true> & Defaulted<T> => ({
  kind: 'field',
  path,
  check,
  default: byDefault,
  optional: false,
  plain: true,
});

/** As a file has it, or absent. */
export const optionalField = <T>(path: string, check: Check<T>): Field<T, true, true> => ({
  kind: 'field',
  path,
  check,
  optional: true,
  plain: true,
});

/** Made by code of its own, with a default. */
export const usualField = <T>(
  path: string,
  check: Check<T>,
  byDefault: NoInfer<T>,
): Field<T, false, false> & Defaulted<T> => ({
  ...field(path, check, byDefault),
  plain: false,
});

/** Made by code of its own. */
export const madeField = <T>(path: string, check: Check<T>): Field<T, false, false> => ({
  ...madeOptional(path, check),
  optional: false,
});

/** Made by code of its own, or absent. */
export const madeOptional = <T>(path: string, check: Check<T>): Field<T, true, false> => ({
  ...optionalField(path, check),
  plain: false,
});

/**
 * A field that records of earlier versions lack. `before` is what those versions did: the default, unless the field is
 * safer by default than they were.
 */
export const laterField = <T>(
  path: string,
  check: Check<T>,
  byDefault: NoInfer<T>,
  before: NoInfer<T> = byDefault,
): Field<T, false, true> & Defaulted<T> => ({
  ...field(path, check, byDefault),
  later: true,
  before,
});

/** The same, made by code of its own. */
export const laterUsual = <T>(
  path: string,
  check: Check<T>,
  byDefault: NoInfer<T>,
): Field<T, false, false> & Defaulted<T> => ({ ...laterField(path, check, byDefault), plain: false });

export const group = <F extends Fields>(path: string, fields: F): Group<F> => ({ kind: 'group', path, fields });

export const choice = <Tag extends string, V extends Readonly<Record<string, Fields>>>(
  path: string,
  tag: Tag,
  tagPath: string,
  variants: V,
): Choice<Tag, V> => ({ kind: 'choice', path, tag, tagPath, variants });

type ValueOf<N> =
  N extends Field<infer T>
    ? T
    : N extends Group<infer F>
      ? Of<F>
      : N extends Choice<infer Tag, infer V>
        ? OneOf<Tag, V>
        : never;

type OneOf<Tag extends string, V extends Readonly<Record<string, Fields>>> = {
  [K in keyof V]: Flat<{ readonly [P in Tag]: K } & Of<V[K]>>;
}[keyof V];

/** What has these fields. */
export type Of<F extends Fields> = Flat<
  { readonly [K in keyof F as F[K] extends { readonly optional: true } ? never : K]: ValueOf<F[K]> } & {
    readonly [K in keyof F as F[K] extends { readonly optional: true } ? K : never]?: ValueOf<F[K]>;
  }
>;

type PlainKeys<F extends Fields> = keyof { [K in keyof F as F[K] extends { readonly plain: true } ? K : never]: K };

/** Of these fields, those that are taken as they stand. */
type PlainOf<F extends Fields> = Flat<Of<Pick<F, PlainKeys<F>>>>;

/** Whether a value has these fields; others are let through. */
export const hasFields = <F extends Fields>(fields: F): Check<Of<F>> =>
  object(checksOf(fields)) as Check<unknown> as Check<Of<F>>;

const checksOf = (fields: Fields): Readonly<Record<string, Check>> =>
  Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, checkOf(one)]));

function checkOf(one: Field | Group | Choice): Check {
  if (one.kind === 'field') return one.optional ? optional(one.check) : one.check;
  if (one.kind === 'group') return hasFields(one.fields);
  const variants = Object.entries(one.variants).map(([name, fields]) => [name, checksOf(fields)] as const);
  return tagged(one.tag, Object.fromEntries(variants));
}

/** The plain ones of these fields, as `input` has them at their paths, or their defaults. */
export function plainOf<F extends Fields>(fields: F, input: unknown): PlainOf<F> {
  const values = Object.entries(fields).flatMap(([name, one]) => {
    if (one.kind !== 'field' || !one.plain) return [];
    const value = one.path.split('.').reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), input);
    return value === undefined && one.optional ? [] : [[name, value ?? one.default]];
  });
  return Object.fromEntries(values);
}

/** Of these fields those that are later, and what leads to them: most servers have none of the others looked at. */
export function onlyLater(fields: Fields): Fields {
  const kept = Object.entries(fields).flatMap(([name, one]): [string, Field | Group | Choice][] => {
    if (one.kind === 'field') return one.later ? [[name, one]] : [];
    if (one.kind === 'group') {
      const inner = onlyLater(one.fields);
      return Object.keys(inner).length === 0 ? [] : [[name, { ...one, fields: inner }]];
    }
    const variants = Object.entries(one.variants).map(([tag, inner]) => [tag, onlyLater(inner)] as const);
    const hasAny = variants.some(([, inner]) => Object.keys(inner).length > 0);
    return hasAny ? [[name, { ...one, variants: Object.fromEntries(variants) }]] : [];
  });
  return Object.fromEntries(kept);
}

/** Goes through the later fields of a value, of its groups and of what its choices chose; an entry that comes back as undefined is left out. */
function eachLater(fields: Fields, values: unknown, change: (one: Field, value: unknown) => unknown): unknown {
  if (!isRecord(values)) return values;
  const changed = Object.entries(fields).flatMap(([name, one]): [string, unknown][] => {
    if (one.kind === 'group') return [[name, eachLater(one.fields, own(values, name), change)]];
    if (one.kind === 'choice') {
      const chosen = own(values, name);
      const variant = isRecord(chosen) ? own(one.variants, String(chosen[one.tag])) : undefined;
      return variant === undefined ? [] : [[name, eachLater(variant as Fields, chosen, change)]];
    }
    return one.later ? [[name, change(one, own(values, name))]] : [];
  });
  const all: Record<string, unknown> = { ...values };
  for (const [name, value] of changed) {
    if (value === undefined) delete all[name];
    else all[name] = value;
  }
  return all;
}

/** What an earlier version recorded, with the fields that it did not know as it behaved. */
export const withLater = (fields: Fields, values: unknown): unknown =>
  eachLater(fields, values, (one, value) => value ?? one.before);

/** A value without the later fields that are as earlier versions behaved: what such a version would have recorded. */
export const withoutLater = (fields: Fields, values: unknown): unknown =>
  eachLater(fields, values, (one, value) =>
    isAlike(value, one.before) || canonicalJson(value) === canonicalJson(one.before) ? undefined : value,
  );
