/** A schema as far as it is read here. */
export type Schema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  /** A list of them: a tuple, as which types write a list that is not empty. */
  readonly items?: Schema | readonly Schema[];
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
};

type Fact = { readonly values: Set<string>; readonly presence: Set<string> };

/** What a type says of a place, and a schema too: which values are there, and whether something always is. */
function collect(facts: Map<string, Fact>, place: Schema, written: Schema, path: string, read: ReadSchema): void {
  const [whole, node] = resolved(place, written, read);
  const fact = factAt(facts, path);
  const values = node.enum ?? ('const' in node ? [node.const] : undefined);
  const types = [node.type ?? []].flat();
  for (const value of values ?? []) fact.values.add(value === null ? 'null' : `=${JSON.stringify(value)}`);
  if (values === undefined) for (const type of types) fact.values.add(type === 'integer' ? 'number' : type);
  for (const [key, inner] of Object.entries(node.properties ?? {})) {
    const at = `${path}.${key}`;
    factAt(facts, at).presence.add(node.required?.includes(key) === true ? 'always' : 'sometimes');
    collect(facts, whole, inner, at, read);
  }
  for (const inner of [node.items ?? []].flat()) collect(facts, whole, inner, `${path}[]`, read);
  if (typeof node.additionalProperties === 'object')
    collect(facts, whole, node.additionalProperties, `${path}{}`, read);
  // The mark of a branded text is an object without properties.
  const parts = (node.allOf ?? []).filter(
    (part) => part.$ref !== undefined || JSON.stringify(part.properties) !== '{}',
  );
  for (const part of [...parts, ...(node.anyOf ?? []), ...(node.oneOf ?? [])]) collect(facts, whole, part, path, read);
}

/** What a reference means, and the schema that it stands in, which may be another file. */
function resolved(whole: Schema, node: Schema, read: ReadSchema): readonly [Schema, Schema] {
  if (node.$ref === undefined) return [whole, node];
  const [file = '', pointer = ''] = node.$ref.split('#');
  const place = file === '' ? whole : read(file);
  const keys = pointer.split('/').slice(1);
  const found = keys.reduce<unknown>((at, key) => (at as Readonly<Record<string, unknown>>)[key], place);
  return [place, found as Schema];
}

type ReadSchema = (file: string) => Schema;

function factAt(facts: Map<string, Fact>, path: string): Fact {
  const fact = facts.get(path) ?? { values: new Set(), presence: new Set() };
  facts.set(path, fact);
  return fact;
}

function factsOf(schema: Schema, read: ReadSchema): Map<string, Fact> {
  const facts = new Map<string, Fact>();
  collect(facts, schema, schema, '', read);
  return facts;
}

const textOf = ({ values, presence }: Fact): string => [...[...values].sort(), ...[...presence].sort()].join(' ');

/** What a schema leaves open: words of which there will be more, as codes of errors. */
const isOpen = (schema: Fact, type: Fact): boolean =>
  textOf({ ...schema, presence: new Set() }) === 'string' && [...type.values].every((value) => value.startsWith('="'));

/**
 * Where a schema says something else than the schema of a type, a line a place; empty when they agree. A generator sees no
 * entries of a dictionary whose keys are branded, so what is in one is not looked at.
 */
export function schemaDifferences(schema: Schema, ofType: Schema, read: ReadSchema): string[] {
  const [said, meant] = [factsOf(schema, read), factsOf(ofType, read)];
  const isUnseen = (path: string): boolean => {
    const dictionary = /^.*?\{\}/.exec(path)?.[0];
    return dictionary !== undefined && !meant.has(dictionary);
  };
  return [...new Set([...said.keys(), ...meant.keys()])].sort().flatMap((path) => {
    const [one, other] = [said.get(path), meant.get(path)];
    if (isUnseen(path) || (one && other && isOpen(one, other))) return [];
    const [is, should] = [one ? textOf(one) : 'nothing', other ? textOf(other) : 'nothing'];
    return is === should ? [] : [`${path}: the schema says ${is}, the type ${should}`];
  });
}
