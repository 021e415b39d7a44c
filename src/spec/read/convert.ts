import { type Alias, isAlias, isMap, isScalar, isSeq, type ParsedNode, type YAMLMap } from 'yaml';
import type { Finding } from './findings.ts';
import type { Entry, ScalarTree, Span, Tree } from './tree.ts';

/** Deepest nesting of maps and lists; the deepest place of a spec has six levels. */
export const maxDepth = 64;
/** Most entries that merge keys may add to one document: chains of them grow quadratically. */
const maxMergedEntries = 20_000;

/** What is said about nesting beyond `maxDepth`. */
export const tooDeep = (span: Span): Finding => ({
  code: 'too-deep',
  message: `maps and lists are nested deeper than ${maxDepth} levels`,
  span,
  path: '',
});

/** Walks the parsed nodes in document order, so that an alias sees the anchors before it. */
export function convert(text: string, root: ParsedNode): { tree: Tree; findings: Finding[] } {
  const findings: Finding[] = [];
  const anchors = new Map<string, Tree>();
  let mergedEntries = 0;

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
        const place =
          range === undefined || range === null ? span : { start: range[0], end: Math.max(range[0] + 1, range[1]) };
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
        mergedEntries += 1;
        if (mergedEntries > maxMergedEntries) {
          if (mergedEntries === maxMergedEntries + 1) {
            const message = `merge keys add more than ${maxMergedEntries} entries to the document`;
            findings.push({ code: 'too-large', message, span: keySpan, path: '' });
          }
          return [];
        }
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
