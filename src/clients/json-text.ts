import {
  createScanner,
  findNodeAtLocation,
  type Node,
  type ParseError,
  parse,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import { atOffset, type FormatText } from './text.ts';

/**
 * JSON with comments, as editors have it. A property is put in behind the last one, in that one's style. What edits the
 * parser's own library makes format the objects around them anew.
 */
export const jsonText: FormatText = {
  read(text) {
    const faults: ParseError[] = [];
    const value: unknown = text.trim() === '' ? {} : parse(text, faults, { allowTrailingComma: true });
    const [fault] = faults;
    if (fault === undefined) return { ok: true, value };
    return { ok: false, line: atOffset(text, fault.offset), message: printParseErrorCode(fault.error) };
  },
  put(text, path, value) {
    const root = tree(text);
    if (root === undefined) return `${text}${print(path, value)}`;
    const [key, name] = path;
    const there = findNodeAtLocation(root, [...path]);
    if (there !== undefined) {
      const indent = /^[ \t]*/.exec(lineOf(text, there.offset))?.[0] ?? '';
      return cut(text, there.offset, end(there), rendered(text, value, indent));
    }
    const servers = findNodeAtLocation(root, [key]);
    return servers === undefined
      ? withProperty(text, root, key, { [name]: value })
      : withProperty(text, servers, name, value);
  },
  take(text, path) {
    const root = tree(text);
    const property = root === undefined ? undefined : findNodeAtLocation(root, [...path])?.parent;
    return property === undefined ? text : withoutProperty(text, property);
  },
  print,
};

function print([key, name]: readonly [string, string], value: unknown): string {
  return `${JSON.stringify({ [key]: { [name]: value } }, null, 2)}\n`;
}

const tree = (text: string): Node | undefined => parseTree(text, [], { allowTrailingComma: true });

const end = ({ offset, length }: Node): number => offset + length;

const cut = (text: string, from: number, to: number, between = ''): string =>
  `${text.slice(0, from)}${between}${text.slice(to)}`;

const lineOf = (text: string, offset: number): string => text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);

const unitOf = (text: string): string => /^([ \t]+)\S/m.exec(text)?.[1] ?? '  ';

function rendered(text: string, value: unknown, indent: string): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  return JSON.stringify(value, null, unitOf(text)).replaceAll('\n', `${eol}${indent}`);
}

function withProperty(text: string, object: Node, name: string, value: unknown): string {
  const { children = [] } = object;
  const last = children.at(-1);
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const outer = /^[ \t]*/.exec(lineOf(text, object.offset))?.[0] ?? '';
  if (last === undefined) {
    const inner = `${outer}${unitOf(text)}`;
    const inside = text.slice(object.offset + 1, end(object) - 1).trimEnd();
    const property = `${inside}${eol}${inner}${JSON.stringify(name)}: ${rendered(text, value, inner)}${eol}${outer}`;
    return cut(text, object.offset + 1, end(object) - 1, property);
  }
  const comma = commaAfter(text, end(last));
  const before = lineOf(text, last.offset);
  if (before.trim() !== '') {
    const property = `, ${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    return cut(text, end(last), end(last), property);
  }
  const property = `${eol}${before}${JSON.stringify(name)}: ${rendered(text, value, before)}`;
  // A comment behind the last one stays with it.
  const from = comma ?? end(last);
  const said = from + (/^[ \t]*(\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/)/.exec(text.slice(from))?.[0].length ?? 0);
  const put = cut(text, said, said, comma === undefined ? property : `${property},`);
  return comma === undefined ? cut(put, end(last), end(last), ',') : put;
}

function withoutProperty(text: string, property: Node): string {
  const siblings = property.parent?.children ?? [];
  const previous = siblings[siblings.indexOf(property) - 1];
  const start = property.offset - (/\s*$/.exec(text.slice(0, property.offset))?.[0].length ?? 0);
  const comma = commaAfter(text, end(property));
  if (comma !== undefined) return cut(text, start, comma);
  const rest = cut(text, start, end(property));
  const before = previous === undefined ? undefined : commaAfter(text, end(previous));
  return before === undefined ? rest : cut(rest, before - 1, before);
}

/** Where a comma ends that comes next, comments aside. */
function commaAfter(text: string, offset: number): number | undefined {
  const scanner = createScanner(text, true);
  scanner.setPosition(offset);
  scanner.scan();
  const at = scanner.getTokenOffset();
  return text[at] === ',' ? at + 1 : undefined;
}
