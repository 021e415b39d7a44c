/**
 * Characters that show as nothing, or change how what is beside them shows: controls (C0, DEL, C1, so newline and tab
 * too), those that reorder text (Unicode TR 36, "bidirectional text spoofing"), zero-width ones, line and paragraph
 * separators, fillers and tags. Whoever prints text that is not ours writes them out as escapes.
 */
export const unseen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: joiners are looked for as characters of their own
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** The same without newline and tab, which JSON and blocks of text have of their own. */
export const unseenInLines = new RegExp(
  unseen.source.replace('\\u0000-\\u001f', '\\u0000-\\u0008\\u000b-\\u001f'),
  'gu',
);

/** A character as JSON, YAML and JavaScript read it inside double quotes: `\u202e`; two escapes above U+FFFF. */
export const unicodeEscape = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');

/** JSON text that says the same and holds none of those characters raw: a terminal may be what shows it. */
export const seenJson = (json: string): string => json.replace(unseenInLines, unicodeEscape);
