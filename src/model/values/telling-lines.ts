/** Begins what went wrong, as programs print it: Node's `TypeError: …`, Go's `panic: …`, `error: …`, `FATAL …`. */
const sayWhat = /^\s*(?:(?:[\w.]*(?:Error|Exception))\b|error\b|fatal\b|panic:)/i;

/**
 * At most `most` of the lines that a program printed last, those that tell most: the end, and where that does not say what
 * went wrong, the last line before it that does, as above the frames of a stack. `most` is 3 or more.
 */
export function tellingLines(lines: readonly string[], most: number): readonly string[] {
  const end = lines.slice(-most);
  const saying = lines.findLastIndex((line) => sayWhat.test(line));
  if (saying < 0 || saying >= lines.length - end.length) return end;
  const last = lines.slice(2 - most);
  const between = lines.length - last.length - saying - 1;
  return [lines[saying] ?? '', `… ${between} more lines`, ...last];
}
