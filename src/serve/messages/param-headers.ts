import { numberOf, plainText } from '../../model/values/exact-number.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { headerText, plainHeader } from './envelope.ts';
import type { HeaderFields } from './protocol.ts';

/** An argument of a tool that stands in a header too (2026-07-28, `x-mcp-header`). */
export type ParamHeader = { readonly name: string; readonly path: readonly string[] };
/** What tools declare, by their names. */
export type Declared = Map<string, readonly ParamHeader[]>;

/** Tools of one server of which is remembered what they declare; the oldest go first. */
const mostTools = 2_000;
/** Longest declaration that is remembered, characters: the headers of a request are no longer either. */
const maxDeclared = 4_000;
/** A character of a header's name (RFC 9110, 5.6.2). */
const token = /^[!#$%&'*+.^`|~\w-]+$/;

/** Remembers what listed tools declare, within bounds: a server may name others each time. */
export function rememberHeaders(tools: unknown, into: Declared): void {
  for (const { name, inputSchema } of Array.isArray(tools) ? tools.filter(isRecord) : []) {
    if (typeof name !== 'string') continue;
    into.delete(name);
    const found = headersIn(inputSchema);
    if (JSON.stringify([name, found]).length > maxDeclared) continue;
    into.set(name, found);
    const [oldest] = into.keys();
    if (into.size > mostTools && oldest !== undefined) into.delete(oldest);
  }
}

/** What of the arguments below this schema stands in headers too. */
function headersIn(schema: unknown, path: readonly string[] = []): readonly ParamHeader[] {
  if (!isRecord(schema)) return [];
  const { 'x-mcp-header': name, properties } = schema;
  const own = typeof name === 'string' && token.test(name) ? [{ name: `mcp-param-${name.toLowerCase()}`, path }] : [];
  const inner = isRecord(properties) ? Object.entries(properties) : [];
  return [...own, ...inner.flatMap(([key, one]) => headersIn(one, [...path, key]))];
}

const valueAt = (args: unknown, path: readonly string[]): unknown =>
  path.reduce((from, key) => (isRecord(from) ? from[key] : undefined), args);
const isPlain = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'boolean' || numberOf(value) !== undefined;

/** Why the headers of a call do not fit its arguments, or undefined. A number is the same in any spelling. */
export function paramContradiction(
  declared: readonly ParamHeader[],
  args: unknown,
  headers: HeaderFields,
): string | undefined {
  for (const { name, path } of declared) {
    const value = valueAt(args, path);
    if (!isPlain(value)) continue;
    const given = headers[name];
    if (given === undefined) return `the header ${name} is missing`;
    const plain = plainHeader(given);
    const number = numberOf(value);
    const isSame =
      plain === plainText(value) || (number !== undefined && plain?.trim() !== '' && Number(plain) === number);
    if (!isSame) return `the header ${name} is not what the body says`;
  }
  return undefined;
}

/** The headers that mirror the arguments of a call. */
export const paramHeaders = (declared: readonly ParamHeader[], args: unknown): HeaderFields =>
  Object.fromEntries(
    declared.flatMap(({ name, path }) => {
      const value = valueAt(args, path);
      return isPlain(value) ? [[name, headerText(plainText(value))]] : [];
    }),
  );
