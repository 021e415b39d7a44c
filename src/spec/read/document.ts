import { canonicalJson } from '../../model/values/canonical-json.ts';
import { explainSchemaErrors, type Wording } from './explain.ts';
import type { Finding } from './findings.ts';
import { type Place, type Prepared, type PrepareOptions, prepare } from './prepare.ts';
import type { PathFinding, Reader } from './reader.ts';
import type { Shape, Validator } from './shape.ts';
import type { Span, Tree } from './tree.ts';

/** One kind of document: its shape and validator, made from the same schema. */
export type DocumentKind = {
  readonly shape: Shape;
  readonly validator: Validator;
  readonly options: PrepareOptions;
  readonly wording?: Wording;
};

/** A document whose values have the right types, wrong ones left out, with what was found so far. */
export type CheckedDocument = {
  readonly value: unknown;
  readonly reader: Reader;
  /** Grows while rules report. */
  readonly findings: Finding[];
  /** Where a path stands, or the nearest part of it that does; `onKey`: the key that leads to it. */
  readonly locate: (path: string, onKey?: boolean) => { readonly span: Span; readonly explicit: boolean };
};

/** Checks a document against its schema; the rules across fields go on with the reader it returns. */
export function checkDocument(content: Tree, kind: DocumentKind, directory: string): CheckedDocument {
  const prepared = prepare(content, kind.shape, kind.options);
  const findings = [...prepared.findings];
  if (content.kind === 'map' && !kind.validator(prepared.value)) {
    findings.push(...explainSchemaErrors(prepared, kind.validator.errors ?? [], kind.wording));
  }
  const report = ({ onKey = false, related = [], ...rest }: PathFinding): void => {
    findings.push({
      ...rest,
      span: spanOf(prepared, rest.path, onKey, content),
      related: related
        .filter((place) => prepared.places.has(place.path))
        .map((place) => ({ span: spanOf(prepared, place.path, true, content), message: place.message })),
    });
  };
  return {
    value: prepared.value,
    findings,
    locate: (path, onKey = false) => ({
      span: spanOf(prepared, path, onKey, content),
      explicit: prepared.places.has(path),
    }),
    reader: {
      has: (path) => prepared.places.has(path),
      report,
      variable: (path) => prepared.variables.get(path),
      sameValue: (one, other) => contentAt(prepared, one) === contentAt(prepared, other),
      directory,
    },
  };
}

/** The place of a path, or of the longest part of it that was written. */
function placeOf(places: ReadonlyMap<string, Place>, path: string): Place | undefined {
  let at = path;
  while (at !== '') {
    const place = places.get(at);
    if (place !== undefined) return place;
    at = at.replace(/(?:\["(?:[^"\\]|\\.)*"\]|\[[0-9]+\]|(?:^|\.)[^.[\]]*)$/, '');
    if (at === path) break;
  }
  return places.get('');
}

function spanOf(prepared: Prepared, path: string, onKey: boolean, content: Tree): Span {
  const place = placeOf(prepared.places, path);
  if (place === undefined) return content.span;
  // Where the field itself is absent, the key of what should hold it says more than its whole value.
  return onKey || !prepared.places.has(path) ? place.keySpan : place.span;
}

/** Everything below a path as text, references included. */
function contentAt(prepared: Prepared, path: string): string {
  const value = path
    .split('.')
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], prepared.value);
  const variables = [...prepared.variables].flatMap(([at, variable]) =>
    at.startsWith(`${path}.`) || at.startsWith(`${path}[`) ? [[at.slice(path.length), variable] as const] : [],
  );
  return canonicalJson([value ?? null, Object.fromEntries(variables)]);
}
