import type { EnvValue } from '../../model/desired.ts';
import type { Surroundings } from '../../model/secrets/credentials.ts';
import type { Finding } from './findings.ts';
import { type MapShape, type ScalarShape, type Shape, snakeCase } from './shape.ts';
import { resolveTemplate, type TemplateRules } from './template.ts';
import { childPath, type Entry, type ScalarTree, type Span, type Tree } from './tree.ts';
import { coerce, describeTree, lastName, meantKey, placesOf, shorten, wordsOf } from './words.ts';

/** Where a path of the document was written. */
export type Place = {
  readonly span: Span;
  /** The key that leads to it; the value itself for list entries and the root. */
  readonly keySpan: Span;
  readonly shape: Shape;
};

/** What a dictionary's values are: `env` keeps references to secrets, `image-env` ends up in an image, others are text. */
type DictionaryUse = 'env' | 'image-env' | 'plain';

/** Why a key must not be used; `code` is `refused-key` unless it says another. */
export type RefusedKey = { readonly message: string; readonly hint: string; readonly code?: string };

export type PrepareOptions = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What one such document is called: `a spec`. */
  readonly called: string;
  /** What the values of the dictionary at this path are used for. */
  readonly useOf: (path: string) => DictionaryUse;
  /** Whether the text at this path is a reference to a secret, and so is kept as one. */
  readonly isReference?: (path: string) => boolean;
  /** A key that must not be used, with the reason; asked for unknown keys. */
  readonly refused: (path: string, key: string) => RefusedKey | undefined;
  /** Whether `${variable}` under `key` of an `env` dictionary is a credential, which stays a reference. */
  readonly keepReference: (key: string, variable: string, around: Surroundings) => boolean;
  /** The variables that are credentials by what a document does with them; they stay references in each `env`. */
  readonly credentialsOf: (prepared: Pick<Prepared, 'value' | 'variables'>) => ReadonlySet<string>;
  /** Lints one string of the document, after its variables were put in. */
  readonly checkText: (text: {
    readonly use: DictionaryUse;
    readonly name: string;
    readonly literal: boolean;
    readonly value: string;
    readonly names: readonly string[];
    /** Variables whose values became text, `${plain:…}` excepted. */
    readonly readable: readonly string[];
    /** Variables that are credentials somewhere in this document. */
    readonly credentials: ReadonlySet<string>;
    readonly path: string;
    readonly span: Span;
  }) => readonly Finding[];
};

/** A document as plain data with normalised keys and variables put in, ready for the validator. */
export type Prepared = {
  readonly value: unknown;
  readonly places: ReadonlyMap<string, Place>;
  /** Values of `env` dictionaries by their path; in `value` they are plain text without their secrets. */
  readonly variables: ReadonlyMap<string, EnvValue>;
  readonly findings: readonly Finding[];
};

/** Placeholders of one value that are reported; finding the place of each takes time that grows with their number. */
const maxProblems = 10;
/** Most nodes of one document after aliases were followed: a bomb of aliases ends here. */
const maxNodes = 50_000;

/**
 * Follows `shape` through a document: brings keys to snake_case, leaves out `x-` keys and empty maps and lists, puts
 * variables in, and reports what has no place. The value that comes out has only known keys and values of the right
 * kind (map, list, scalar); types of scalars are the validator's.
 */
export function prepare(root: Tree, shape: Shape, options: PrepareOptions): Prepared {
  const prepared = walkOnce(root, shape, options, new Set());
  const credentials = options.credentialsOf(prepared);
  return credentials.size === 0 ? prepared : walkOnce(root, shape, options, credentials);
}

function walkOnce(root: Tree, shape: Shape, options: PrepareOptions, credentials: ReadonlySet<string>): Prepared {
  const findings: Finding[] = [];
  const places = new Map<string, Place>();
  const variables = new Map<string, EnvValue>();
  let nodes = 0;

  const walk = (tree: Tree, at: Shape, path: string, keySpan: Span, use: DictionaryUse): unknown => {
    if (at.kind === 'either') return walk(tree, tree.kind === 'map' ? at.map : at.other, path, keySpan, use);
    nodes += 1;
    if (nodes > maxNodes) return undefined;
    // `python:` with everything below it commented out is as if it were not there.
    if (tree.kind === 'scalar' && tree.value === null && at.kind !== 'scalar') return undefined;
    places.set(path, { span: tree.span, keySpan, shape: at });
    if (at.kind === 'scalar') {
      if (tree.kind === 'scalar') return scalar(tree, at, path, use);
      wrongKind(tree, at, path);
      return undefined;
    }
    if (at.kind === 'list') {
      if (tree.kind !== 'list') return wrongKind(tree, at, path);
      return tree.items.map((item, index) => {
        const itemPath = childPath(path, index);
        // An entry without content is not as if it were absent: the validator speaks about it, at its place.
        places.set(itemPath, { span: item.span, keySpan: item.span, shape: at.items });
        return walk(item, at.items, itemPath, item.span, 'plain');
      });
    }
    if (tree.kind !== 'map') return wrongKind(tree, at, path);
    if (at.kind === 'map') return map(tree.entries, at, path);
    return dictionary(tree.entries, at.values, path, options.useOf(path));
  };

  const wrongKind = (tree: Tree, at: Shape, path: string): undefined => {
    const name = path === '' ? 'the document' : shorten(lastName(path));
    findings.push({
      code: 'wrong-type',
      message: `${name}: expected ${wordsOf(at)}, got ${describeTree(tree)}`,
      span: tree.span,
      path,
      hint:
        at.kind === 'list' && tree.kind === 'scalar'
          ? `write a list: [${asItem(shorten(tree.text))}]`
          : at.kind === 'dictionary' && tree.kind === 'list'
            ? 'write NAME: value, one a line'
            : at.kind === 'map' && tree.kind === 'scalar'
              ? (mountHint(tree.text, at) ?? optionHint(tree.text, at))
              : undefined,
    });
    return undefined;
  };

  const unique = (entries: readonly Entry[], path: string, nameOf: (key: string) => string): Map<string, Entry> => {
    const seen = new Map<string, Entry>();
    for (const entry of entries) {
      const name = nameOf(entry.key);
      const first = seen.get(name);
      if (first === undefined) seen.set(name, entry);
      else if (!entry.merged) {
        findings.push({
          code: 'duplicate-key',
          message: `${shorten(entry.key)} is given twice`,
          span: entry.keySpan,
          path: childPath(path, name),
          related: [{ span: first.keySpan, message: 'first here' }],
        });
      }
    }
    return seen;
  };

  const map = (entries: readonly Entry[], at: MapShape, path: string): Record<string, unknown> => {
    const result: Record<string, unknown> = {};
    const known = entries.filter(({ key }) => !key.startsWith('x-'));
    for (const [name, entry] of unique(known, path, snakeCase)) {
      const inner = Object.hasOwn(at.keys, name) ? at.keys[name] : undefined;
      if (inner === undefined) {
        findings.push(unknownKey(entry, name, at, path));
        continue;
      }
      const value = walk(entry.value, inner, childPath(path, name), entry.keySpan, 'plain');
      if (value !== undefined) result[name] = value;
    }
    return result;
  };

  const unknownKey = (entry: Entry, name: string, at: MapShape, path: string): Finding => {
    const base = { span: entry.keySpan, path: childPath(path, name) };
    const refused = options.refused(path, name);
    if (refused !== undefined) return { ...base, code: 'refused-key', ...refused };
    const place = path === '' ? options.called : path;
    const here = meantKey(name, Object.keys(at.keys));
    const elsewhere = placesOf(name, shape, '').filter((found) => found !== base.path);
    const exact = elsewhere.length > 0 ? `${name} belongs into ${elsewhere.join(' or ')}` : undefined;
    return {
      ...base,
      code: 'unknown-key',
      message: `${place} has no key ${shorten(entry.key)}`,
      hint:
        exact ??
        (here !== undefined ? `did you mean ${here}?` : `valid keys: ${Object.keys(at.keys).toSorted().join(', ')}`),
    };
  };

  const dictionary = (entries: readonly Entry[], values: Shape, path: string, use: DictionaryUse) => {
    const result: Record<string, unknown> = Object.create(null);
    const kept = use === 'plain' ? entries : entries.filter(({ key }) => !key.startsWith('x-'));
    for (const [name, entry] of unique(kept, path, (key) => key)) {
      const value = walk(entry.value, values, childPath(path, name), entry.keySpan, use);
      if (value !== undefined) result[name] = value;
    }
    return result;
  };

  const scalar = (tree: ScalarTree, at: ScalarShape, path: string, use: DictionaryUse): unknown => {
    const textual = at.types.includes('string');
    const isReference = options.isReference?.(path) === true;
    if (typeof tree.value !== 'string') {
      if (use === 'env' && tree.value !== null) variables.set(path, { kind: 'literal', value: tree.text });
      return textual && at.types.length > 1 && tree.value !== null ? tree.text : tree.value;
    }
    const name = lastName(path);
    const rules: TemplateRules = {
      environment: options.environment,
      secrets: use === 'env' || isReference,
      keepReference: (variable, around) =>
        isReference || (use === 'env' && (credentials.has(variable) || options.keepReference(name, variable, around))),
    };
    const resolved = resolveTemplate(tree.value, rules);
    for (const problem of resolved.problems.slice(0, maxProblems)) {
      findings.push({ ...problem, span: within(tree, problem.index, problem.length), path });
    }
    if (resolved.problems.length > 0) return undefined;
    if (resolved.parts.some((part) => typeof part === 'string' && part.includes('\0'))) {
      findings.push({
        code: 'control-character',
        message: `${name} contains the character U+0000, which no process can be given`,
        span: tree.span,
        path,
      });
      return undefined;
    }
    const literal = resolved.parts.every((part) => typeof part === 'string');
    const value = resolved.parts.map((part) => (typeof part === 'string' ? part : '')).join('');
    findings.push(
      ...options.checkText({
        use,
        name,
        literal: literal && !resolved.plain,
        value,
        names: resolved.names,
        readable: resolved.readable,
        credentials,
        path,
        span: tree.span,
      }),
    );
    if (use === 'env' || isReference) {
      variables.set(path, literal ? { kind: 'literal', value } : { kind: 'secret', parts: resolved.parts });
    }
    return textual || resolved.names.length === 0 ? value : coerce(value, at);
  };

  const value = walk(root, shape, '', root.span, 'plain');
  if (nodes > maxNodes) {
    findings.push({
      code: 'too-large',
      message: `the document has more than ${maxNodes} values once its aliases are followed`,
      span: root.span,
      path: '',
    });
  }
  return { value: value ?? {}, places, variables, findings };
}

/** What to write for a mount in the short form of `docker run -v`. */
function mountHint(text: string, at: MapShape): string | undefined {
  const [, source, target, mode] = /^([^:]+):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (source === undefined || target === undefined || !Object.hasOwn(at.keys, 'read_only')) return undefined;
  return `write { source: ${source}, target: ${target}${mode === 'ro' ? ', read_only: true' : ''} }`;
}

/** What to write for the value of one key of a map in place of the map: `network: bridge`. */
function optionHint(text: string, at: MapShape): string | undefined {
  const taking = Object.entries(at.keys).filter(
    ([, shape]) => shape.kind === 'scalar' && shape.options?.includes(text),
  );
  const [key] = taking.map(([name]) => name);
  return taking.length === 1 ? `write { ${key}: ${text} }` : undefined;
}

/** The part of a scalar's source that holds the placeholder; the whole scalar when escapes or folding hide it. */
function within(tree: ScalarTree, index: number, length: number): Span {
  const offset = tree.sourceOffset(index, length);
  return offset === undefined ? tree.span : { start: offset, end: offset + length };
}

/** A text as an item of a YAML list: many signs mean something else at its beginning. */
const asItem = (text: string): string => (/^[\w./-]+$/.test(text) ? text : JSON.stringify(text));
