import { unseen, unseenInLines } from '../../model/values/unseen.ts';

/**
 * Text that is not ours, made safe to stand in a line of ours, on a terminal or in a file for people: every character
 * that is not seen, or changes what is seen, becomes a visible escape (`\n`, `\x1b`, `\u202e`). So no label, name or
 * message can begin a line, recolour, reorder or overwrite what we print.
 */
export const visible = (text: string): string => text.replace(unseen, escaped);

/**
 * The same for text that has lines of its own, which stay, as tabs do. Only for what is split into lines by the caller,
 * or stands for itself; inside other text it is `visibleBlock`. A carriage return before a newline goes.
 */
export const visibleLines = (text: string): string => text.replaceAll('\r\n', '\n').replace(unseenInLines, escaped);

/** Text that has lines of its own, each but the first behind `indent`, so that none of them looks like one of ours. */
export const visibleBlock = (text: string, indent = '  '): string => visibleLines(text).replaceAll('\n', `\n${indent}`);

/** Data for people with all text in it, names too, made visible; values of the `blocks` fields keep their lines. */
export const displayed = <T>(value: T, blocks: readonly string[] = []): T => shown(value, visible, blocks) as T;

function shown(value: unknown, show: (text: string) => string, blocks: readonly string[]): unknown {
  const inner = (one: unknown, name?: unknown): unknown =>
    shown(one, typeof name === 'string' && blocks.includes(name) ? visibleLines : visible, blocks);
  if (typeof value === 'string') return show(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => shown(one, show, blocks));
  if (value instanceof Set) return new Set([...value].map((one) => inner(one)));
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [inner(key), inner(one, key)]));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [visible(key), inner(one, key)]));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins what colours text
const colour = /\u001b\[[0-9;]*m/g;

/** The last check before text of ours is written: whatever got into it, only lines, tabs and our colours go out raw. */
export function onlyOurs(text: string): string {
  const colours = text.match(colour) ?? [];
  return text
    .split(colour)
    .map((part, index) => part.replace(unseenInLines, escaped) + (colours[index] ?? ''))
    .join('');
}

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t' };

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  if (code.length > 4) return `\\u{${code}}`;
  return short[character] ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`);
}

/** The name of a file as it is shown: standard input has none of its own. */
export const shownFile = (file: string): string => (file === '-' ? '<stdin>' : file);

const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uff60\p{Emoji_Presentation}]/u;
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns that text takes on a terminal; it must hold no escape sequences. East Asian wide characters count two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += zeroWidth.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}

/** Fills up with spaces to `width` columns; longer text stays as it is. */
export const padEnd = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - displayWidth(text)));

/** Shortens to at most `width` columns with `…` at the end. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let result = '';
  let used = 0;
  for (const character of text) {
    const next = displayWidth(character);
    if (used + next > width - 1) break;
    result += character;
    used += next;
  }
  return `${result}…`;
}

/** Breaks text into lines of `width` columns between words, keeping indents; a list's item goes on below its text. */
export const wrap = (text: string, width: number): readonly string[] =>
  text.split('\n').flatMap((line) => (displayWidth(line) <= width ? [line.trimEnd()] : broken(line, width)));

function broken(line: string, width: number): readonly string[] {
  const [, indent = '', bullet = ''] = /^(\s*)([-*•] +)?/.exec(line) ?? [];
  const hanging = indent + ' '.repeat(bullet.length);
  const lines: string[] = [];
  let current = indent + bullet;
  let hasWord = false;
  for (const word of line.slice(current.length).trim().split(/\s+/)) {
    if (hasWord && displayWidth(`${current} ${word}`) > width) {
      lines.push(current);
      current = hanging + word;
    } else {
      current += hasWord ? ` ${word}` : word;
    }
    hasWord = true;
  }
  return [...lines, current];
}

/** Text as it was before somebody broke its lines: one line a paragraph or list item. */
export const unwrapped = (text: string): string =>
  text
    .split(/\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)/)
    .map((paragraph) => paragraph.trim().replaceAll(/\s+/g, ' '))
    .filter((paragraph) => paragraph !== '')
    .join('\n');

/** A size for people: `812 B`, `2.3 KiB`, `1.5 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  const short = (value: number) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
  return Math.round(kib) < 1000 ? `${short(kib)} KiB` : `${short(kib / 1024)} MiB`;
}

/** Joins with commas and a final word: `a, b and c`. */
export function listed(items: readonly string[], word = 'and'): string {
  const last = items.at(-1);
  if (last === undefined) return '';
  return items.length === 1 ? last : `${items.slice(0, -1).join(', ')} ${word} ${last}`;
}

/** A size in one word, as in tables: `12B`, `3.4K`, `1.2M`; powers of 1024. Input in bytes. */
export function byteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const kib = bytes / 1024;
  return kib < 1024 ? `${kib.toFixed(1)}K` : `${(kib / 1024).toFixed(1)}M`;
}
