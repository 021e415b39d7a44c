/** What a schema expects at each place, made from it at build time (scripts/lib/schema-shape.mjs). */
export type Shape = MapShape | DictionaryShape | ListShape | ScalarShape | EitherShape;

/** A map with a fixed set of keys. */
export type MapShape = { readonly kind: 'map'; readonly keys: Readonly<Record<string, Shape>> };

/** A map whose keys the user chooses: environment, labels, tmpfs. */
type DictionaryShape = {
  readonly kind: 'dictionary';
  readonly values: Shape;
  /** What a key must be, in words. */
  readonly nameWords?: string;
};

/** A map, or something else: a short form of it as text, or a list of several. */
type EitherShape = {
  readonly kind: 'either';
  readonly other: ScalarShape | ListShape;
  readonly map: MapShape | DictionaryShape;
};

type ListShape = { readonly kind: 'list'; readonly items: Shape };

export type ScalarShape = {
  readonly kind: 'scalar';
  /** JSON Schema types; `string` together with another one means: the text as written counts (`3.10` is not 3.1). */
  readonly types: readonly string[];
  /** What is expected, in words: `a whole number from 1 to 3600`. */
  readonly words: string;
  readonly options?: readonly string[];
  /** Values that would be right, for the hint of one that is not. */
  readonly examples?: readonly string[];
};

/** One finding of a compiled validator. */
export type SchemaError = {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Set on errors about a key itself, which `propertyNames` repeats. */
  readonly propertyName?: string;
};

/** A validator that ajv compiled at build time; `errors` belongs to the last call. */
export type Validator = { (value: unknown): boolean; readonly errors?: readonly SchemaError[] | null };

/** The snake_case spelling of a key written in camelCase; other spellings are left as they are. */
export const snakeCase = (key: string): string =>
  /^[a-z][A-Za-z0-9]*$/.test(key) ? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key;
