/** What stands for a secret in everything we print (docs/commands.md). */
export const mask = '(secret)';

/** Shorter values are not masked: they would hide every `1` or `on` of a text, and hide nothing worth hiding. */
const shortest = 4;

/**
 * Masks secrets in text: each value as it is, its lines, and its URL-encoded, JSON-escaped, base64 and hex forms.
 * Longer forms go first, so that a secret inside another leaves no rest.
 */
export function createRedactor(values: Iterable<string>): (text: string) => string {
  const forms = new Set<string>();
  for (const value of values) {
    for (const part of [value, ...value.split(/\r?\n/)]) {
      if (part.trim().length < shortest) continue;
      for (const form of formsOf(part)) forms.add(form);
    }
  }
  const ordered = [...forms].sort((a, b) => b.length - a.length);
  if (ordered.length === 0) return (text) => text;
  const pattern = new RegExp(ordered.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g');
  return (text) => text.replaceAll(pattern, mask);
}

function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value, 'utf8');
  const urlEncoded = encodeURIComponent(value.toWellFormed());
  return [
    value,
    value.trim(),
    urlEncoded,
    urlEncoded.replaceAll('%20', '+'),
    urlEncoded.replaceAll(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()),
    ...escapedForms(value),
    bytes.toString('base64'),
    bytes.toString('base64').replaceAll('=', ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
  ];
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
