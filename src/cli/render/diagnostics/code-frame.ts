import { looksLikeCredential, looksLikeKey } from '../../../model/secrets/credentials.ts';
import { hiddenText, hideCredentials } from '../../../model/secrets/hide-credentials.ts';
import type { Palette } from '../../terminal/palette.ts';
import { displayWidth, visible } from '../text.ts';

/** A file for its frames; made once for a file, as one with thousands of findings is framed thousands of times. */
export type FramedText = {
  readonly lines: readonly string[];
  /** Indices of lines that hold the value of a credential named above them. */
  readonly belowCredentials: ReadonlySet<number>;
};

type Frame = FramedText & {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  readonly length: number;
};

const tab = '  ';
/** A key at the begin of a line, behind the dashes of entries; and what follows it. */
const keyed = /^(\s*(?:-\s+)*)["']?([\w.-]+)["']?\s*:(?:\s+(.*))?$/;

/** Splits a file into lines, and finds the values of credentials that go on below their keys, as `KEY: |` asks for. */
export function framedText(text: string): FramedText {
  const lines = text.split(/\r?\n/);
  const belowCredentials = new Set<number>();
  let above: { readonly indent: number; readonly isBlock: boolean } | undefined;
  for (const [index, line] of lines.entries()) {
    const indent = line.search(/\S/);
    if (indent === -1 || (line[indent] === '#' && above?.isBlock !== true)) continue;
    const [, before = '', key = '', value = ''] = keyed.exec(line) ?? [];
    // Of a key without a block of text, keys and entries below it are a map or a list, and no value.
    const isValue = above?.isBlock === true || (key === '' && !/^\s*-\s/.test(line));
    if (above !== undefined && indent > above.indent && isValue) belowCredentials.add(index);
    else
      above = looksLikeCredential(key)
        ? { indent: before.length, isBlock: /^(?:[&!]\S+\s+)*[|>]/.test(value) }
        : undefined;
  }
  return { lines, belowCredentials };
}

/** Hides the value of a credential, which no CI log may show; a reference such as `${NAME}` stays. */
function masked(line: string, isBelowCredential: boolean): string {
  if (isBelowCredential) return `${/^\s*/.exec(line)?.[0] ?? ''}${hiddenText}`;
  if (!looksLikeKey(line)) return hideCredentials(line);
  return `${/^\s*(?:-\s*)?(?:["']?[\w.-]+["']?\s*:\s*(?=\S)|[\s-]*)/.exec(line)?.[0] ?? ''}${hiddenText}`;
}

const clean = (text: string): string => visible(text.replaceAll('\t', tab));

/** The marked line with its neighbours and carets, cut to `width`; credentials hidden, the unseen escaped. */
export function renderFrame(frame: Frame, mark: (text: string) => string, palette: Palette, width: number): string[] {
  const { lines, belowCredentials } = frame;
  const first = Math.max(1, frame.line - 1);
  const last = Math.min(lines.length, frame.line + 1);
  const digits = String(last).length;
  const room = Math.max(40, width - digits - 8);
  const gutter = (label: string) => palette.quiet(`  ${label.padStart(digits)} │ `);

  const result: string[] = [];
  for (let number = first; number <= last; number++) {
    const written = lines[number - 1] ?? '';
    const raw = masked(written, belowCredentials.has(number - 1));
    if (number !== frame.line) {
      if (raw.trim() !== '') result.push(gutter(String(number)) + palette.quiet(clip(clean(raw), 0, room).text));
      continue;
    }
    // A place in what is hidden is shown as all of that.
    const hidden = raw === written ? raw.length : raw.lastIndexOf(hiddenText);
    const at = Math.min(frame.column - 1, hidden);
    const before = clean(raw.slice(0, at));
    const marked = clean(raw.slice(at, at + frame.length));
    const clipped = clip(clean(raw), before.length, room);
    const indent = displayWidth(clipped.text.slice(0, before.length - clipped.start));
    const carets = Math.max(1, Math.min(displayWidth(marked), room - indent));
    result.push(gutter(String(number)) + clipped.text);
    result.push(gutter('') + ' '.repeat(indent) + mark('^'.repeat(carets)));
  }
  return result;
}

/** The part of a long line that shows position `at`; `start` is where it begins, less the `…` put before it. */
function clip(line: string, at: number, room: number): { text: string; start: number } {
  if (line.length <= room) return { text: line, start: 0 };
  if (at < room - 20) return { text: `${line.slice(0, room - 1)}…`, start: 0 };
  const from = at - 20;
  const part = line.slice(from, from + room - 2);
  return { text: `…${part}${from + room - 2 < line.length ? '…' : ''}`, start: from - 1 };
}
