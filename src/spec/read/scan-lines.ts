import type { Finding } from './findings.ts';
import { shorten } from './words.ts';

/** Part of a file that holds one document, in offsets of the file. */
export type Region = { readonly start: number; readonly end: number; readonly firstLine: number };

/** A mistake that a document's text shows by itself, in words that help to mend it. */
export const mistake = (start: number, end: number, message: string, hint: string): Finding => ({
  code: 'yaml-syntax',
  message,
  span: { start, end: Math.max(end, start + 1) },
  path: '',
  hint,
});

/** A map or list that lines belong to by their indentation. */
type Level = { readonly indent: number; readonly kind: 'map' | 'list' };

/** One line that holds something. */
type Line = { readonly start: number; readonly number: number; readonly indent: number; readonly text: string };

/** What the line before leaves open. */
type Before = {
  /** Ends with `key:` or `-`: a deeper map or list may follow. */
  readonly opens: boolean;
  /** Ends with a value without quotes, which a deeper line may continue. */
  readonly continues: boolean;
  readonly indent: number;
  /** Set for text on a line of its own below a key: a mistake when keys follow as deep as it stands. */
  readonly stray?: Finding | undefined;
};

const keyPattern = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#"'[\]{},&*!|>%@`-][^#]*?|-[^\s][^#]*?)\s*:(?=\s|$)/;

/** Longest part of a line that is looked at for a key; schemas' own have at most 30 characters. */
const maxKeyLength = 1000;

/** The key that a line begins with, with its colon. */
const keyOf = (text: string): string | undefined => keyPattern.exec(text.slice(0, maxKeyLength))?.[0];

/**
 * Reads a document line by line, as people do: every line belongs to a level of indentation, and is `key: value` or an
 * entry of a list. Gives the first line that fits nowhere. `continued` are the lines inside of quotes and brackets.
 */
export function scanLines(text: string, region: Region, continued: ReadonlySet<number>): Finding | undefined {
  const levels: Level[] = [];
  let before: Before = { opens: true, continues: false, indent: -1 };
  let blockAbove: number | undefined;
  for (const line of linesOf(text, region)) {
    if (continued.has(line.start)) continue;
    if (blockAbove !== undefined && line.indent > blockAbove) continue;
    blockAbove = undefined;
    if (/^[ ]*\t/.test(text.slice(line.start, line.start + line.indent + 1))) {
      return mistake(
        line.start + line.indent,
        line.start + line.indent + 1,
        'a tab stands where YAML wants spaces',
        'indent with spaces',
      );
    }
    const wrong = place(line, levels, before);
    if (wrong !== undefined) return wrong;
    const read = readLine(line, levels);
    if ('finding' in read) return read.finding;
    if (read.block) blockAbove = levels.at(-1)?.indent ?? 0;
    const indent = read.stray === undefined ? (levels.at(-1)?.indent ?? 0) : line.indent;
    before = { opens: read.opens, continues: read.continues, indent, stray: read.stray };
  }
  return undefined;
}

function* linesOf(text: string, region: Region): Iterable<Line> {
  let start = region.start;
  let number = region.firstLine;
  while (start < region.end) {
    const next = text.indexOf('\n', start);
    const end = next === -1 || next > region.end ? region.end : next;
    const whole = text.slice(start, end).trimEnd();
    const indent = /^ */.exec(whole)?.[0].length ?? 0;
    const content = whole.slice(indent);
    if (content !== '' && !content.startsWith('#') && !content.startsWith('%')) {
      yield { start, number, indent, text: content };
    }
    start = end + 1;
    number += 1;
  }
}

/** Closes the levels that a line ends, and says when its indentation is that of none. */
function place(line: Line, levels: Level[], before: Before): Finding | undefined {
  const isDash = /^-(?:\s|$)/.test(line.text);
  const top = levels.at(-1);
  const deepest = top?.indent ?? -1;
  if (line.indent > deepest) {
    if (before.opens) return undefined;
    // Only a plain value may go on in the next line, and then as text.
    if (before.continues && keyOf(line.text) === undefined && !isDash) return undefined;
    if (before.stray !== undefined && before.indent === line.indent) return before.stray;
    return badIndent(line, deepest);
  }
  let last = deepest;
  for (let level = levels.at(-1); level !== undefined && level.indent > line.indent; level = levels.at(-1)) {
    last = level.indent;
    levels.pop();
  }
  const here = levels.at(-1);
  // A key ends a list that stands as deep as the key above it.
  if (here?.kind === 'list' && !isDash && levels.at(-2)?.indent === line.indent) levels.pop();
  const now = levels.at(-1);
  if (now !== undefined && now.indent === line.indent) {
    if (!isDash || now.kind === 'list' || (before.opens && before.indent === line.indent)) return undefined;
    return mistake(
      line.start + line.indent,
      line.start + line.indent + line.text.length,
      'an entry of a list stands among keys',
      'put it below the key that it belongs to, which has nothing after its colon',
    );
  }
  const neighbour = line.indent - (now?.indent ?? 0) < last - line.indent ? (now?.indent ?? last) : last;
  return badIndent(line, neighbour);
}

function badIndent(line: Line, neighbour: number): Finding {
  const wanted = Math.max(0, neighbour);
  if (line.indent === wanted) {
    return mistake(
      line.start + line.indent,
      line.start + line.indent + line.text.length,
      `line ${line.number} stands after the end of its document`,
      'another server is another document: write a line `---` before it',
    );
  }
  const deeper = line.indent > wanted ? '; only lines below a key without a value are deeper than it' : '';
  return mistake(
    line.start + line.indent,
    line.start + line.indent + line.text.length,
    `line ${line.number} is indented by ${line.indent}, its neighbours by ${wanted}`,
    `indent it by ${wanted}${deeper}`,
  );
}

type ReadLine =
  | { readonly finding: Finding }
  | { readonly opens: boolean; readonly continues: boolean; readonly block: boolean; readonly stray?: Finding };

/** Opens the levels that a line begins, and looks at its key and value. */
function readLine(line: Line, levels: Level[]): ReadLine {
  let column = line.indent;
  let rest = line.text;
  let entry = false;
  for (let dash = /^-(?:\s+|$)/.exec(rest); dash !== null; dash = /^-(?:\s+|$)/.exec(rest)) {
    const top = levels.at(-1);
    if (top === undefined || top.indent < column || top.kind === 'map') levels.push({ indent: column, kind: 'list' });
    column += dash[0].length;
    rest = rest.slice(dash[0].length);
    entry = true;
  }
  const start = line.start + column;
  const end = start + rest.length;
  if (rest === '' || rest.startsWith('#')) return { opens: true, continues: false, block: false };
  const key = keyOf(rest);
  const top = levels.at(-1);
  if (key === undefined) {
    const inMap = !entry && top?.kind === 'map' && top.indent === column;
    const first = levels.length === 0 && !/^[[{"'&*!|>?-]/.test(rest);
    if (inMap || first) return { finding: strayText(rest, start, end) };
    const read = readValue(rest, start, undefined);
    return entry || 'finding' in read || !read.continues ? read : { ...read, stray: strayText(rest, start, end) };
  }
  if (top === undefined || top.indent < column) levels.push({ indent: column, kind: 'map' });
  const value = rest.slice(key.length).trimStart();
  return readValue(value, start + rest.length - value.length, key.replace(/\s*:$/, ''));
}

function strayText(rest: string, start: number, end: number): Finding {
  const glued = /^([A-Za-z_][\w.-]*):(\S.*)$/.exec(rest);
  const spaced = /^([A-Za-z_][\w.-]*)(?:\s*=\s*|\s+)(\S.*)$/.exec(rest);
  const hint = /^[\]}]/.test(rest)
    ? 'nothing opened it: remove it'
    : glued !== null
      ? `write a space after the colon: ${glued[1]}: ${shorten(glued[2] ?? '')}`
      : spaced !== null
        ? `did you mean ${spaced[1]}: ${shorten(spaced[2] ?? '')}`
        : 'write a key and a colon before it; an entry of a list begins with "- "';
  return mistake(start, end, `expected \`key: value\`, got ${JSON.stringify(shorten(rest))}`, hint);
}

/** What follows a key or a dash: nothing, a value on this line, or the header of a block of text. */
function readValue(value: string, start: number, key: string | undefined): ReadLine {
  const bare = value.replace(/^(?:[&!]\S*\s*)+/, '');
  if (bare === '' || bare.startsWith('#')) return { opens: true, continues: false, block: false };
  if (/^[|>][-+0-9]*\s*(?:#.*)?$/.test(bare)) return { opens: false, continues: false, block: true };
  const named = key === undefined ? 'the value' : `the value of ${key}`;
  const quoted = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')/.exec(bare)?.[0];
  if (quoted !== undefined) {
    const after = bare.slice(quoted.length);
    if (/^\s*(?:#.*)?$/.test(after) || /^\s*:(?:\s|$)/.test(after)) {
      return { opens: false, continues: false, block: false };
    }
    const at = start + value.length - after.trimStart().length;
    return {
      finding: mistake(
        at,
        start + value.length,
        `${named} goes on after its closing quote`,
        'put the whole value into one pair of quotes; a single quote inside of single quotes is written twice',
      ),
    };
  }
  if (/^[[{"'*]/.test(bare)) return { opens: false, continues: false, block: false };
  const inner = /:(?=\s|$)/.exec(bare.replace(/\s#.*$/, ''));
  if (inner !== null) {
    return {
      finding: mistake(
        start + value.length - bare.length,
        start + value.length,
        `${named} holds a colon and a space, which begins another key`,
        'put the value into quotes, or the second key on a line of its own',
      ),
    };
  }
  return { opens: false, continues: true, block: false };
}
