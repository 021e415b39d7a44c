import { parse, stringify, TomlError } from 'smol-toml';
import type { FormatText } from './text.ts';

/** A number that is too large for one of JavaScript is no fault of the file. */
const bigNumbers = { integersAsBigInt: 'asNeeded' } as const;

/** TOML. A table is added at the end, and taken out with its own lines. */
export const tomlText: FormatText = {
  read(text) {
    try {
      return { ok: true, value: parse(text, bigNumbers) };
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const [message = ''] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
      return { ok: false, line: error.line, message };
    }
  },
  put(text, path, value) {
    const rest = without(text, path);
    const eol = text.includes('\r\n') ? '\r\n' : '\n';
    const before = rest === '' || rest.endsWith('\n') ? rest : `${rest}${eol}`;
    return `${before}${before.trim() === '' ? '' : eol}${print(path, value).replaceAll('\n', eol)}`;
  },
  take: without,
  print,
};

function print([key, name]: readonly [string, string], value: unknown): string {
  return `${stringify({ [key]: { [name]: value } }).trimEnd()}\n`;
}

function without(text: string, [key, name]: readonly [string, string]): string {
  const lines = text.split(/(?<=\n)/);
  const kept: string[] = [];
  let isInside = false;
  /** Blank lines and comments since the last line of the table: they belong to what comes next. */
  let between: string[] = [];
  let before = '';
  for (const line of lines) {
    const table = tableOf(line, before);
    before += line;
    if (table !== undefined) isInside = table[0] === key && table[1] === name;
    if (!isInside) kept.push(...between.splice(0), line);
    else if (/^\s*(#.*)?$/.test(line)) between.push(line);
    else between = [];
  }
  return [...kept, ...between].join('');
}

/** The names of a table's header, when a line is one: a line of a list or of a text is none, and ends what is before it. */
function tableOf(line: string, before: string): readonly string[] | undefined {
  if (!/^\s*\[/.test(line)) return undefined;
  try {
    parse(before, bigNumbers);
    const names: string[] = [];
    for (let at: unknown = parse(line); ; ) {
      at = Array.isArray(at) ? at[0] : at;
      const [first] = Object.entries(at ?? {});
      if (first === undefined) return names;
      names.push(first[0]);
      at = first[1];
    }
  } catch {
    return undefined;
  }
}
