import { isMap, isScalar, LineCounter, type Pair, parseDocument, stringify } from 'yaml';
import type { FormatText } from './text.ts';

/** YAML in block style. Lines are put in and taken out, so that all others stay as they were written. */
export const yamlText: FormatText = {
  read(text) {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines });
    const [fault] = document.errors;
    if (fault === undefined) return { ok: true, value: document.toJS() ?? {} };
    const [message = ''] = fault.message.split('\n');
    return { ok: false, line: lines.linePos(fault.pos[0]).line, message: message.replace(/ at line \d+.*$/, '') };
  },
  put(text, path, value) {
    const rest = without(text, path);
    const [key, name] = path;
    const found = pairOf(parseDocument(rest).contents, key);
    if (found === undefined) return `${ended(rest)}${print(path, value)}`;
    const { value: servers } = found;
    if (isMap(servers) && servers.items.length > 0) {
      const [first] = servers.items;
      const indent = columnOf(rest, startOf(first));
      const at = ended(rest.slice(0, servers.range?.[1] ?? rest.length));
      return `${at}${block(name, value, indent)}${rest.slice(servers.range?.[1] ?? rest.length)}`;
    }
    // `extensions:` or `extensions: {}`: the value goes where that was.
    const [start, end] = isMap(servers) || isScalar(servers) ? (servers.range ?? [0, 0]) : [0, 0];
    return `${rest.slice(0, start).replace(/ +$/, '')}\n${block(name, value, 2).replace(/\n$/, '')}${rest.slice(end)}`;
  },
  take: without,
  print,
};

const block = (name: string, value: unknown, indent: number): string =>
  stringify({ [name]: value }, { lineWidth: 0 }).replace(/^(?=.)/gm, ' '.repeat(indent));

function print([key, name]: readonly [string, string], value: unknown): string {
  return `${key}:\n${block(name, value, 2)}`;
}

const ended = (text: string): string => (text === '' || text.endsWith('\n') ? text : `${text}\n`);

const pairOf = (map: unknown, name: string): Pair | undefined =>
  isMap(map) ? map.items.find(({ key }) => isScalar(key) && key.value === name) : undefined;

const startOf = (pair: Pair | undefined): number => (isScalar(pair?.key) ? (pair.key.range?.[0] ?? 0) : 0);

const columnOf = (text: string, offset: number): number => offset - (text.lastIndexOf('\n', offset - 1) + 1);

function without(text: string, [key, name]: readonly [string, string]): string {
  const servers = pairOf(parseDocument(text).contents, key)?.value;
  const pair = pairOf(servers, name);
  if (pair === undefined || !isMap(pair.value)) return text;
  const start = startOf(pair) - columnOf(text, startOf(pair));
  const end = pair.value.range?.[1] ?? text.length;
  return `${text.slice(0, start)}${text.slice(end)}`;
}
