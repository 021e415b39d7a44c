import { readingsOf, unescaped } from './unescaped.ts';

/** What stands for a secret in everything we print (docs/commands.md). */
export const mask = '(secret)';

/** Shorter values are not masked: they would hide every `1` or `on` of a text, and hide nothing worth hiding. */
const shortest = 4;

/**
 * Masks secrets in text: each value as it is, its lines, and its URL-encoded, HTML-escaped, JSON-escaped, base64 and hex
 * forms, and as the name of a host. Longer forms go first, so that a secret inside another leaves no rest.
 */
export function createRedactor(values: Iterable<string>): (text: string) => string {
  const long = new Set<string>();
  const escaped = new Set<string>();
  const forms = new Map<string, number>();
  for (const value of values) {
    for (const part of [value, ...value.split(/\r?\n/)]) {
      const bare = part.trim();
      if (bare.length < shortest) continue;
      if (part.length > longestPattern) {
        for (const form of [part, bare, ...formsOf(part)]) long.add(form);
        for (const reading of readingsOf(bare.toWellFormed())) escaped.add(reading);
        continue;
      }
      for (const one of [part, bare]) forms.set(encodedForms(one), one.length);
      for (const form of formsOf(part)) forms.set(literally(form), form.length);
    }
  }
  const ordered = [...forms].sort(([, a], [, b]) => b - a).map(([form]) => form);
  const texts = longestFirst(long);
  const readings = longestFirst(escaped);
  const patterns = patternsOf(ordered);
  const replaced = (text: string, wanted: readonly (string | RegExp)[]): string =>
    wanted.reduce<string>((masked, one) => masked.replaceAll(one, mask), text);
  return (text) => replaced(maskEscaped(replaced(text, texts), readings), patterns);
}

const longestFirst = (texts: Iterable<string>): readonly string[] => [...texts].sort((a, b) => b.length - a.length);

/** Masks whatever reads as one of these, the longest first: values that are too long for an expression. */
function maskEscaped(text: string, readings: readonly string[]): string {
  // An escape is never shorter than what it stands for.
  if (text.length < (readings.at(-1)?.length ?? Number.POSITIVE_INFINITY)) return text;
  const { plain, starts } = unescaped(text, 'both');
  const found: { readonly from: number; readonly to: number }[] = [];
  for (const reading of readings) {
    for (let at = plain.indexOf(reading); at >= 0; at = plain.indexOf(reading, at + reading.length)) {
      found.push({ from: starts[at] ?? 0, to: starts[at + reading.length] ?? text.length });
    }
  }
  const pieces: string[] = [];
  let end = 0;
  for (const { from, to } of found.sort((a, b) => a.from - b.from)) {
    // One that overlaps the one before it is masked with it.
    if (from >= end) pieces.push(text.slice(end, from), mask);
    end = Math.max(end, to);
  }
  return pieces.join('') + text.slice(end);
}

/** Characters of a value beyond which it is looked for in the text and in what its escapes read as: V8 refuses expressions that are too large. */
const longestPattern = 1_000;
/** Characters of one expression, for the same reason: a secret can have thousands of lines. */
const longestExpression = 200_000;

/** Expressions for these forms, in their order; as few as their size allows. */
function patternsOf(forms: readonly string[]): readonly RegExp[] {
  const groups: string[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const form of forms) {
    if (size + form.length > longestExpression) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(form);
    size += form.length;
  }
  return groups.map((group) => new RegExp(group.join('|'), 'g'));
}

const literally = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** How HTML writes what means something else in it. */
const entities: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' };

/** As it is, or any of its characters as URLs and HTML write them: which ones are escaped differs from writer to writer. */
function encodedForms(value: string): string {
  return [...value.toWellFormed()]
    .map((character) => {
      const bytes = [...Buffer.from(character, 'utf8')];
      const percent = bytes.map((byte) => `%${anyCase(byte.toString(16).padStart(2, '0'))}`).join('');
      const entity = entities[character];
      const code = character.codePointAt(0) ?? 0;
      const html = entity === undefined ? '' : `|&(?:${entity}|#0*${code}|#[xX]0*${anyCase(code.toString(16))});`;
      return `(?:${literally(character)}|${percent}${html}${character === ' ' ? '|\\+' : ''})`;
    })
    .join('');
}

const anyCase = (hex: string): string => hex.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);

function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value, 'utf8');
  const hex = bytes.toString('hex');
  return [...escapedForms(value), ...base64Forms(bytes), hex, hex.toUpperCase(), ...nameForms(value)];
}

/** Letters of a value below which its lower case could be any word. */
const shortestName = 8;

/** As who notes names of hosts has them: in lower case, `?` for what they cannot hold (docker/model, the forwarder's program). */
function nameForms(value: string): readonly string[] {
  const name = value.toLowerCase();
  return value.length < shortestName ? [] : [name, name.replaceAll(/[^a-z0-9._-]/g, '?')];
}

/** Characters of base64 below which a piece could be anything. */
const shortestPiece = 6;

/** Alone, and as it stands within something longer (`user:SECRET`), which shifts it by one or two bytes. */
function base64Forms(bytes: Buffer): readonly string[] {
  const whole = [bytes.toString('base64'), bytes.toString('base64').replaceAll('=', ''), bytes.toString('base64url')];
  const within = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    // The first and the last character may be made of a neighbour's bits as well.
    const from = Math.ceil((shift * 4) / 3);
    const to = Math.floor(((shift + bytes.length) * 4) / 3);
    const piece = text.slice(from, to);
    return piece.length < shortestPiece ? [] : [piece, piece.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [...whole, ...within];
}

/** JSON in a string of JSON in a string: an answer of a tool, in our `--json`, in somebody's log of it. */
const jsonDepth = 4;

/** As JSON writers put it: only what must be escaped, also `/`, also all that is not ASCII (Python), or `<>&` (Go). */
function escapedForms(value: string): readonly string[] {
  const inside = (text: string): string => JSON.stringify(text).slice(1, -1);
  const unicode = (text: string, letters: RegExp): string =>
    text.replaceAll(letters, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const plain = inside(value);
  const forms: string[] = [];
  let level = [plain, plain.replaceAll('/', '\\/'), unicode(plain, /[^ -~]/g), unicode(plain, /[<>&]/g)];
  for (let depth = 1; depth <= jsonDepth; depth += 1) {
    forms.push(...level);
    level = level.map(inside);
  }
  return forms;
}
