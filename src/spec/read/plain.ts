import { scalarTree } from './convert.ts';
import type { Entry, ScalarTree, Tree } from './tree.ts';

/** A line with content; blank ones and comments are left out. */
type Line = {
  /** Where its content begins and the line ends, offsets in the file. */
  readonly start: number;
  readonly end: number;
  readonly indent: number;
};

/** Thrown where a text needs all of YAML. */
const notPlain = Symbol('not plain');

/** Nesting of plain texts; what is deeper is yaml's to judge. */
const deepest = 32;

// Tabs, other line breaks and what YAML has rules of its own for are in none of these.
const otherCharacter = /[^\n\x20-\x7e\u00a1-\u1fff\u2010-\u2027\u2030-\ufefe]/;
const key = /([A-Za-z_][\w./-]*):(?: +|$)/my;
const doubleQuoted = /"(?:[^"\\\n]|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[\da-fA-F]{4})*"/y;
const singleQuoted = /'(?:[^'\n]|'')*'/y;
/** Of a block; the characters that something else begins with, or may, do not begin one. */
const plainText = /(?:[\w./$(<=;^+~\\]|-(?=[^\s]))(?:[^\n:#]|:(?=\S)|(?<=\S)#)*/y;
const flowText = /[A-Za-z\d_./$-](?:[\w./@$=+-]|:(?=[\w/]))*(?=[ \n]*[,\]}])/y;
const flowKey = /([A-Za-z_][\w.-]*)(?=:[ \n])/y;
const restOfLine = / *(?:(?<= )#.*)?$/my;
const special =
  /^(?:~|[Nn]ull|NULL|0o[0-7]+|0x[\da-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN|[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)$/;

/**
 * The documents of a text that uses of YAML what nearly all specs do: maps and lists in blocks, JSON, plain and quoted texts
 * on one line, comments. The trees are those that yaml's parser leads to, but for the ends of spans behind the line that
 * they begin in, which nobody reads; undefined for any other text, also for each with a mistake in it. A hundred
 * small files take 13 ms of CPU time instead of 90.
 */
export function readPlain(text: string): readonly Tree[] | undefined {
  if (otherCharacter.test(text)) return undefined;
  try {
    return documentsOf(text);
  } catch (error) {
    if (error === notPlain) return undefined;
    throw error;
  }
}

/** The lines of each document. */
function linesOf(text: string): readonly (readonly Line[])[] {
  const documents: Line[][] = [[]];
  for (let from = 0; from < text.length; ) {
    const next = text.indexOf('\n', from);
    const end = next === -1 ? text.length : next;
    let start = from;
    while (start < end && text[start] === ' ') start += 1;
    const first = text[start];
    if (start === from && (text.startsWith('---', from) || text.startsWith('...', from) || first === '%')) {
      if (!/^--- *$/.test(text.slice(from, end))) throw notPlain;
      documents.push([]);
    } else if (start < end && first !== '#') documents.at(-1)?.push({ start, end, indent: start - from });
    from = end + 1;
  }
  return documents;
}

function documentsOf(text: string): readonly Tree[] {
  return linesOf(text)
    .filter((lines) => lines.length > 0)
    .map((lines) => documentOf(text, lines));
}

function documentOf(text: string, lines: readonly Line[]): Tree {
  /** The next line to read. */
  let next = 0;

  const match = (pattern: RegExp, at: number): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text) ?? undefined;
  };
  const line = (): Line => {
    const found = lines[next];
    if (found === undefined) throw notPlain;
    return found;
  };
  const beginsItem = (at: number): boolean => text[at] === '-' && text[at + 1] === ' ';

  /** A value of which nothing more may stand in its line, nor in lines that are further in than `indent`. */
  const value = (at: number, indent: number, depth: number): Tree => {
    const first = text[at];
    const tree = first === '[' || first === '{' ? flow(at, depth, ' ') : (quoted(at) ?? unquoted(plainText, at));
    if (match(restOfLine, tree.span.end) === undefined) throw notPlain;
    next += 1;
    const after = lines[next];
    if (after !== undefined && after.indent > indent) throw notPlain;
    return tree;
  };

  const quoted = (at: number): ScalarTree | undefined => {
    const first = text[at];
    if (first !== '"' && first !== "'") return undefined;
    const written = match(first === '"' ? doubleQuoted : singleQuoted, at)?.[0];
    if (written === undefined) throw notPlain;
    const inner = written.slice(1, -1);
    const said =
      first === "'" ? inner.replaceAll("''", "'") : inner.includes('\\') ? (JSON.parse(written) as string) : inner;
    return scalarTree(text, said, inner, { start: at, end: at + written.length });
  };

  const unquoted = (pattern: RegExp, at: number): ScalarTree => {
    const written = match(pattern, at)?.[0].trimEnd() ?? '';
    if (written === '' || written.endsWith(':')) throw notPlain;
    return scalarTree(text, meaningOf(written), written, { start: at, end: at + written.length });
  };

  const block = (at: number, indent: number, depth: number): Tree => {
    if (depth > deepest) throw notPlain;
    return beginsItem(at) ? list(at, indent, depth) : map(at, indent, depth);
  };

  const map = (start: number, indent: number, depth: number): Tree => {
    const entries: Entry[] = [];
    let at = start;
    for (;;) {
      const found = match(key, at);
      const name = found?.[1];
      if (found === undefined || name === undefined || meaningOf(name) !== name) throw notPlain;
      const keySpan = { start: at, end: at + name.length };
      entries.push({ key: name, keySpan, value: valueBehind(at + found[0].length, indent, depth), merged: false });
      const after = lines[next];
      if (after === undefined || after.indent < indent) break;
      if (after.indent > indent) throw notPlain;
      at = after.start;
    }
    return { kind: 'map', span: { start, end: lines[next - 1]?.end ?? start }, entries };
  };

  /** What stands behind a key: in its line, or in those below. */
  const valueBehind = (at: number, indent: number, depth: number): Tree => {
    const { end } = line();
    if (at < end && text[at] !== '#') return value(at, indent, depth + 1);
    next += 1;
    const below = lines[next];
    if (below === undefined || below.indent < indent) throw notPlain;
    if (below.indent === indent && !beginsItem(below.start)) throw notPlain;
    return block(below.start, below.indent, depth + 1);
  };

  const list = (start: number, indent: number, depth: number): Tree => {
    const items: Tree[] = [];
    let at = start;
    for (;;) {
      let inner = at + 1;
      while (text[inner] === ' ') inner += 1;
      items.push(
        match(key, inner) === undefined
          ? value(inner, indent, depth + 1)
          : block(inner, indent + inner - at, depth + 1),
      );
      const after = lines[next];
      if (after === undefined || after.indent < indent) break;
      if (after.indent > indent) throw notPlain;
      // Beside a list that is a key's value stands the next key.
      if (!beginsItem(after.start)) break;
      at = after.start;
    }
    return { kind: 'list', span: { start, end: lines[next - 1]?.end ?? start }, items };
  };

  /** JSON, with plain texts as well. `gap`: what may stand between its parts. */
  const flow = (start: number, depth: number, gap: ' ' | ' \n'): Tree => {
    if (depth > deepest) throw notPlain;
    const isMap = text[start] === '{';
    const close = isMap ? '}' : ']';
    let at = start + 1;
    const skip = (): void => {
      for (let character = text[at]; character !== undefined && gap.includes(character); character = text[at]) at += 1;
    };
    const part = (): Tree => {
      const first = text[at];
      const tree = first === '[' || first === '{' ? flow(at, depth + 1, gap) : (quoted(at) ?? unquoted(flowText, at));
      at = tree.span.end;
      return tree;
    };
    const entry = (): Entry => {
      const name = quoted(at)?.span.end ?? at + (match(flowKey, at)?.[0].length ?? 0);
      const keySpan = { start: at, end: name };
      const said = quoted(at)?.value ?? text.slice(at, name);
      if (typeof said !== 'string' || name === at || text[name] !== ':') throw notPlain;
      if (text[at] !== '"' && text[at] !== "'" && meaningOf(said) !== said) throw notPlain;
      at = name + 1;
      skip();
      return { key: said, keySpan, value: part(), merged: false };
    };
    const entries: Entry[] = [];
    const items: Tree[] = [];
    skip();
    for (let more = text[at] !== close; more; ) {
      if (isMap) entries.push(entry());
      else items.push(part());
      skip();
      more = text[at] === ',';
      if (more) at += 1;
      skip();
    }
    if (text[at] !== close) throw notPlain;
    const span = { start, end: at + 1 };
    return isMap ? { kind: 'map', span, entries } : { kind: 'list', span, items };
  };

  const { start, indent } = line();
  if (text[start] === '{' || text[start] === '[') {
    const tree = flow(start, 1, ' \n');
    if (indent > 0 || match(restOfLine, tree.span.end) === undefined) throw notPlain;
    if (lines.some((one) => one.start > tree.span.end)) throw notPlain;
    return tree;
  }
  const tree = block(start, indent, 1);
  if (next < lines.length) throw notPlain;
  return tree;
}

/** What a plain text means in YAML's core schema. Throws `notPlain` for numbers in the less usual ways. */
function meaningOf(written: string): string | number | boolean {
  if (/^(?:[Tt]rue|TRUE)$/.test(written)) return true;
  if (/^(?:[Ff]alse|FALSE)$/.test(written)) return false;
  if (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(written)) return Number(written);
  if (special.test(written)) throw notPlain;
  return written;
}
