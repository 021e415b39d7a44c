import { Lexer } from 'yaml';
import type { Finding } from './findings.ts';
import { mistake, type Region, scanLines } from './scan-lines.ts';

/** Indexes the documents of a file: what stands between two lines `---` or `...`; found by an offset in them. */
export function indexRegions(text: string): (offset: number) => Region {
  const regions: Region[] = [];
  let start = 0;
  let firstLine = 1;
  for (const marker of text.matchAll(/^(?:---|\.\.\.)(?=\s|$)/gm)) {
    regions.push({ start, end: marker.index, firstLine });
    firstLine += text.slice(start, marker.index).split('\n').length - 1;
    start = marker.index + 3;
  }
  regions.push({ start, end: text.length, firstLine });
  return (offset) => {
    let low = 0;
    let high = regions.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      // The parser counts a marker to the document after it.
      if ((regions[middle]?.end ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return regions[low] ?? { start: 0, end: text.length, firstLine: 1 };
  };
}

/**
 * Looks through a document that the parser refused for the mistakes people make most: quotes and brackets that stay
 * open, indentation, tabs, lines without a colon. The parser notices those late, and calls them by what they led to.
 * Undefined when none is found. Called for such a document only: a few of these shapes are valid YAML elsewhere.
 */
export function explainSyntax(text: string, region: Region): Finding | undefined {
  const tokens = scanTokens(text, region);
  const lines = scanLines(text, region, tokens.continued);
  const found = [tokens.finding, lines].filter((finding) => finding !== undefined);
  return found.toSorted((a, b) => a.span.start - b.span.start)[0];
}

type Scanned = {
  readonly finding: Finding | undefined;
  /** Offsets of lines that begin inside of quotes or brackets. */
  readonly continued: ReadonlySet<number>;
};

/** A line that would begin a key or an entry if it did not stand in quotes. */
const looksLikeEntry = /\n[ \t]*(?:- +)?[A-Za-z_][\w.-]*:(?=\s|$)/;

function scanTokens(text: string, region: Region): Scanned {
  const part = text.slice(region.start, region.end);
  const open: { readonly token: string; readonly at: number }[] = [];
  const continued = new Set<number>();
  const all: Finding[] = [];
  let at = region.start;
  for (const token of new Lexer().lex(part)) {
    // Marks of the lexer for documents and scalars, which are not in the text.
    if (token === '\x02' || token === '\x1f') continue;
    if (token === '\x18') {
      all.push(...open.splice(0).map((one) => neverClosed(one.token, one.at)));
      continue;
    }
    const first = token[0];
    if (first === '"' || first === "'") {
      const entry = looksLikeEntry.exec(token);
      const closed = token.length > 1 && token.endsWith(first);
      if (!closed || entry !== null) all.push(neverClosed(first, at));
      for (const line of token.matchAll(/\n/g)) continued.add(at + line.index + 1);
    } else if (token === '{' && text[at - 1] === '$' && open.length > 0) {
      const end = /^[^}\n]*\}/.exec(text.slice(at))?.[0].length ?? 1;
      const name = text.slice(at - 1, at + end);
      all.push(mistake(at - 1, at + end, `${name} inside { } or [ ] needs quotes`, `write "${name}", with the quotes`));
      open.length = 0;
      break;
    } else if (token === '[' || token === '{') {
      open.push({ token, at });
    } else if (token === ']' || token === '}') {
      const last = open.pop();
      if (last !== undefined && closing[last.token] !== token) all.push(closedByOther(last.token, last.at, token));
    } else if (open.length > 0) {
      for (const line of token.matchAll(/\n/g)) continued.add(at + line.index + 1);
    }
    at += token.length;
  }
  all.push(...open.map((one) => neverClosed(one.token, one.at)));
  return { finding: all.toSorted((a, b) => a.span.start - b.span.start)[0], continued };
}

const closing: Readonly<Record<string, string>> = { '[': ']', '{': '}', '"': '"', "'": "'" };

const closedByOther = (token: string, at: number, other: string): Finding =>
  mistake(at, at + 1, `this ${token} meets ${other} before it is closed`, `write ${closing[token] ?? token} there`);

const neverClosed = (token: string, at: number): Finding =>
  mistake(at, at + 1, `this ${token} is never closed`, `add ${closing[token] ?? token} where it shall end`);
