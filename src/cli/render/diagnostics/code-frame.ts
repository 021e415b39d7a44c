import { hasPasswordInUri, looksLikeCredential, looksLikeKey } from '../../../model/secrets/credentials.ts';
import type { Palette } from '../../terminal/palette.ts';
import { displayWidth, visible } from '../text.ts';

type Frame = {
  /** All lines of the file; split once for a file, as one with thousands of findings is framed thousands of times. */
  readonly lines: readonly string[];
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
  readonly length: number;
};

const tab = '  ';
/** A key with a value on the same line. */
const keyed = /^(\s*(?:-\s*)?["']?([\w.-]+)["']?\s*:\s*)(\S.*)$/;

/** Hides the value of a credential, which no CI log may show; a reference such as `${NAME}` stays. */
function masked(line: string): string {
  const [, prefix, key = '', value] = keyed.exec(line) ?? [];
  if (looksLikeKey(line)) return `${prefix ?? /^[\s-]*/.exec(line)?.[0] ?? ''}(secret)`;
  if (prefix === undefined || value === undefined || /\$\{|^[|>&*#[{]/.test(value)) return line;
  return looksLikeCredential(key) || hasPasswordInUri(value.replace(/^["']/, '')) ? `${prefix}(secret)` : line;
}

const clean = (text: string): string => visible(text.replaceAll('\t', tab));

/** The marked line with its neighbours and carets, cut to `width`; credentials hidden, the unseen escaped. */
export function renderFrame(frame: Frame, mark: (text: string) => string, palette: Palette, width: number): string[] {
  const { lines } = frame;
  const first = Math.max(1, frame.line - 1);
  const last = Math.min(lines.length, frame.line + 1);
  const digits = String(last).length;
  const room = Math.max(40, width - digits - 8);
  const gutter = (label: string) => palette.quiet(`  ${label.padStart(digits)} │ `);

  const result: string[] = [];
  for (let number = first; number <= last; number++) {
    const written = lines[number - 1] ?? '';
    const raw = masked(written);
    if (number !== frame.line) {
      if (raw.trim() !== '') result.push(gutter(String(number)) + palette.quiet(clip(clean(raw), 0, room).text));
      continue;
    }
    // A place in what is hidden is shown as all of that.
    const hidden = raw === written ? raw.length : raw.lastIndexOf('(secret)');
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
