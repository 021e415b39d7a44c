import { hasPasswordInUri, looksLikeCredential, surroundingsReach } from './credentials.ts';

/** What stands in place of a credential. */
export const hiddenText = '(secret)';

/** A name with what leads to its value, as in `NAME: x`, `"NAME": x`, `NAME = x`, `--name=x` and `NAME x`; a reference is none. */
const assignment = /(?<![\w./-]|\$\{)(["']?)([\w.-]+)\1(\s*[:=]\s*|\s+)(?:[&!]\S+\s+)*/g;
/** What begins no value of its own: a block of text, a map, a list, an alias, a comment. */
const noValue = /^(?:$|[|>][-+0-9]*\s*(?:#.*)?$|[{[#]|\*\S+$)/;
/** A value in quotes, or up to what ends one between braces; a reference in one piece. */
const literal = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:\$\{[^}]*\}|[^,}\]#])*)/;

/**
 * One line of a file or of a message, with all from the first literal credential on hidden: what follows may belong to it.
 * The name decides, or a password in a URI; a value with a reference in it such as `${NAME}` stays. Looks no further into a
 * value than `surroundingsReach`.
 */
export function hideCredentials(line: string): string {
  for (const { index, 0: whole, 2: name = '', 3: link = '' } of line.matchAll(assignment)) {
    const start = index + whole.length;
    const value = line.slice(start, start + surroundingsReach);
    // In prose a name is followed by a space, too: only a variable that lacks its colon counts.
    if (link.trim() === '' && !/^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/.test(name)) continue;
    if (noValue.test(value) || literal.exec(value)?.[0].includes('${')) continue;
    if (looksLikeCredential(name) || hasPasswordInUri(value.replace(/^["']/, ''))) {
      return line.slice(0, start) + hiddenText;
    }
  }
  return line;
}
