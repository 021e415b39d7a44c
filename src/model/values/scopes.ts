/** Whether a text is a scope, `server:name` with `*` for any part. The schema of looms.yaml says the same. */
export const isScope = (text: string): boolean => /^[a-z0-9*-]+:./.test(text);

/** The patterns that a scope consists of: of servers, and of what they have. */
export function halvesOf(scope: string): readonly [string, string] {
  const at = scope.indexOf(':');
  return [scope.slice(0, at), scope.slice(at + 1)];
}

/** Whether a pattern with `*` for any part means this text. */
export const isMeant = (pattern: string, text: string): boolean => consistsOf(pattern.split('*'), text);

/** Whether a text is these parts with anything between them; takes no longer than both are long, whatever they hold. */
export function consistsOf([first = '', ...parts]: readonly string[], text: string): boolean {
  const last = parts.pop();
  if (last === undefined) return first === text;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
