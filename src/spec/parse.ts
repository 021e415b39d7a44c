import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type ParsedNode,
  parseAllDocuments,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import type { Finding } from './findings.ts';
import type { Entry, ScalarTree, Span, Tree } from './tree.ts';

/** Largest file that is read, in UTF-16 units; fifty servers take about 50,000. */
export const maxFileLength = 1_048_576;
/** Deepest nesting of maps and lists; the deepest place of a spec has six levels. */
const maxDepth = 64;

/** One YAML document: its content, or what is wrong with it. Documents without content are left out. */
export type ParsedDocument = {
  /** Absent when the document could not be read; `findings` then has an error. */
  readonly content?: Tree;
  readonly findings: readonly Finding[];
};

/**
 * Splits a text into YAML 1.2 documents and resolves aliases and merge keys. Never throws: whatever is wrong is a
 * finding of the document it is in, and the other documents are still returned.
 */
export function parseDocuments(text: string): readonly ParsedDocument[] {
  const unreadable = findUnreadable(text);
  if (unreadable !== undefined) return [{ findings: [unreadable] }];
  let documents: readonly Document.Parsed[];
  try {
    const parsed = parseAllDocuments(text, { version: '1.2', prettyErrors: false, uniqueKeys: false, logLevel: 'silent' });
    documents = Array.isArray(parsed) ? parsed : [];
  } catch (error) {
    // yaml composes nested collections recursively: nesting beyond all sense ends in a stack overflow.
    if (error instanceof RangeError) return [{ findings: [tooDeep({ start: 0, end: 1 })] }];
    throw error;
  }
  return documents.flatMap((document) => {
    const parsed = readDocument(text, document);
    return parsed === undefined ? [] : [parsed];
  });
}

function findUnreadable(text: string): Finding | undefined {
  if (text.length > maxFileLength) {
    return {
      code: 'file-too-large',
      message: `the file has ${text.length} characters; at most ${maxFileLength} are read`,
      span: { start: 0, end: 1 },
      path: '',
      hint: 'split it into several files',
    };
  }
  // U+FFFD is what a decoder puts where the bytes are no UTF-8; control characters are forbidden in YAML.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  const found = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/.exec(text);
  if (found === null) return undefined;
  const span = { start: found.index, end: found.index + 1 };
  if (found[0] === '\ufffd') {
    return { code: 'not-utf8', message: 'the file is not UTF-8 text', span, path: '', hint: 'save it as UTF-8' };
  }
  const name = `U+${(found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  return {
    code: 'control-character',
    message: `control character ${name} is not allowed in YAML`,
    span,
    path: '',
    hint: 'remove it, or write it as an escape in a double-quoted string',
  };
}

const tooDeep = (span: Span): Finding => ({
  code: 'too-deep',
  message: `maps and lists are nested deeper than ${maxDepth} levels`,
  span,
  path: '',
});

function readDocument(text: string, document: Document.Parsed): ParsedDocument | undefined {
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) return { findings: problems.map((problem) => syntaxFinding(text, problem)) };
  if (document.contents === null) return undefined;
  const conversion = convert(text, document.contents);
  if (conversion.findings.length > 0) return { findings: conversion.findings };
  const content = conversion.tree;
  if (content.kind === 'scalar' && content.value === null) return undefined;
  return { content, findings: [] };
}

function syntaxFinding(text: string, problem: YAMLError): Finding {
  const [start, end] = problem.pos;
  const base = { span: { start, end: Math.max(end, start + 1) }, path: '' };
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const lineEnd = text.indexOf('\n', start);
  const line = text.slice(lineStart, lineEnd === -1 ? text.length : lineEnd);
  if (problem.code === 'TAB_AS_INDENT' || (/^\s*\t/.test(line) && problem.code !== 'TAG_RESOLVE_FAILED')) {
    return { ...base, code: 'yaml-syntax', message: 'a tab stands where YAML wants spaces', hint: 'indent with spaces' };
  }
  if (problem.code === 'TAG_RESOLVE_FAILED') {
    return { ...base, code: 'unknown-tag', message: 'YAML tags have no meaning in a spec', hint: 'remove the tag' };
  }
  if (problem.code === 'RESOURCE_EXHAUSTION') return tooDeep(base.span);
  const message = problem.message.replace(/\.?\s*$/, '').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
  const braces = /[{[].*\$\{/.test(line);
  return {
    ...base,
    code: 'yaml-syntax',
    message,
    hint: braces ? 'inside { } and [ ], quote values that hold ${…}: "${NAME}"' : undefined,
  };
}

/** Walks the parsed nodes in document order, so that an alias sees the anchors before it. */
function convert(text: string, root: ParsedNode): { tree: Tree; findings: Finding[] } {
  const findings: Finding[] = [];
  const anchors = new Map<string, Tree>();

  const nothing = (span: Span): ScalarTree => ({
    kind: 'scalar',
    span,
    value: null,
    text: '',
    sourceOffset: () => undefined,
  });

  const visit = (node: unknown, depth: number, fallback: Span): Tree => {
    if (isAlias(node)) return alias(node as Alias.Parsed);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return nothing(fallback);
    const range = node.range ?? [fallback.start, fallback.end];
    const span = { start: range[0], end: Math.max(range[0] + 1, range[1]) };
    if (depth > maxDepth) {
      if (!findings.some(({ code }) => code === 'too-deep')) findings.push(tooDeep(span));
      return nothing(span);
    }
    const tree = isScalar(node)
      ? scalar(node.value, node.source ?? text.slice(span.start, span.end), span)
      : isMap(node)
        ? map(node as YAMLMap<unknown, unknown>, span, depth)
        : { kind: 'list' as const, span, items: node.items.map((item) => visit(item, depth + 1, span)) };
    if (node.anchor !== undefined) anchors.set(node.anchor, tree);
    return tree;
  };

  const scalar = (value: unknown, source: string, span: Span): ScalarTree => {
    const base = { kind: 'scalar', span, sourceOffset: () => undefined } as const;
    if (typeof value === 'string') {
      return { ...base, value, text: value, sourceOffset: offsetsIn(text.slice(span.start, span.end), value, span) };
    }
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) {
      return { ...base, value, text: source };
    }
    // Dates and the like, which only `%YAML 1.1` and explicit tags make: the text counts.
    return { ...base, value: source, text: source };
  };

  const alias = (node: Alias.Parsed): Tree => {
    const span = { start: node.range[0], end: node.range[1] };
    const found = anchors.get(node.source);
    if (found !== undefined) return found;
    findings.push({
      code: 'unknown-alias',
      message: `alias *${node.source} has no anchor &${node.source} before it`,
      span,
      path: '',
    });
    return nothing(span);
  };

  const map = (node: YAMLMap<unknown, unknown>, span: Span, depth: number): Tree => {
    const own: Entry[] = [];
    const merged: Entry[] = [];
    for (const pair of node.items) {
      const key = pair.key;
      if (!isScalar(key) || key.value === null) {
        const range = isScalar(key) || isMap(key) || isSeq(key) || isAlias(key) ? key.range : undefined;
        const place = range === undefined || range === null ? span : { start: range[0], end: Math.max(range[0] + 1, range[1]) };
        findings.push({ code: 'bad-key', message: 'a key must be text', span: place, path: '' });
        continue;
      }
      const range = key.range ?? [span.start, span.end];
      const keySpan = { start: range[0], end: Math.max(range[0] + 1, range[1]) };
      const value = visit(pair.value, depth + 1, { start: keySpan.start, end: keySpan.end });
      if (key.value === '<<' && key.type === 'PLAIN') merged.push(...mergeKey(value, keySpan));
      else {
        const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
        own.push({ key: name, keySpan, value, merged: false });
      }
    }
    return { kind: 'map', span, entries: [...own, ...merged] };
  };

  const mergeKey = (value: Tree, keySpan: Span): readonly Entry[] => {
    const sources = value.kind === 'list' ? value.items : [value];
    const bad = sources.find((source) => source.kind !== 'map');
    if (bad !== undefined) {
      findings.push({ code: 'bad-merge', message: '<< takes a map, or a list of maps', span: keySpan, path: '' });
      return [];
    }
    const seen = new Set<string>();
    const entries: Entry[] = [];
    for (const source of sources) {
      if (source.kind !== 'map') continue;
      for (const entry of source.entries) {
        if (seen.has(entry.key)) continue;
        seen.add(entry.key);
        entries.push({ ...entry, merged: true });
      }
    }
    return entries;
  };

  const tree = visit(root, 1, { start: 0, end: 1 });
  return { tree, findings };
}

/**
 * Finds parts of a scalar's value in its source: the n-th occurrence in the one is the n-th in the other, as long as
 * nothing was escaped or folded in between.
 */
function offsetsIn(source: string, value: string, span: Span): ScalarTree['sourceOffset'] {
  return (index, length) => {
    const part = value.slice(index, index + length);
    let at = -1;
    for (let seen = value.indexOf(part); seen !== -1 && seen <= index; seen = value.indexOf(part, seen + 1)) {
      at = source.indexOf(part, at + 1);
      if (at === -1) return undefined;
    }
    return at === -1 ? undefined : span.start + at;
  };
}
