import { numberOf, plainText } from '../model/exact-number.ts';
import type { ContainerId, ServerName } from '../model/ids.ts';
import { isRecord } from '../model/is-record.ts';
import { headerText, plainHeader } from './envelope.ts';
import { envelopeKeys, type Message, modernRevision } from './message.ts';

/** An argument of a tool that stands in a header too (2026-07-28, `x-mcp-header`). */
export type ParamHeader = { readonly name: string; readonly path: readonly string[] };
/** A server that can be asked, as `Leg` is one. */
type Asker = {
  readonly server: ServerName;
  readonly ready: () => Promise<{ readonly container: ContainerId }>;
  readonly ask: (
    message: Message,
    headers: Readonly<Record<string, string>>,
  ) => { readonly answer: Promise<{ readonly message: Message }> };
};
type Declared = Map<string, readonly ParamHeader[]>;

/** Pages of a list of tools that are asked for. */
const mostPages = 100;
/** A character of a header's name (RFC 9110, 5.6.2). */
const token = /^[!#$%&'*+.^`|~\w-]+$/;

/** What the servers of a gateway want to have in headers. */
export type ParamHeaders = {
  /** Takes what a server lists. */
  readonly saw: (server: ServerName, container: ContainerId, tools: unknown) => void;
  /** The headers for a call of a tool, by its arguments; its tools are asked for where it is none that was seen. */
  readonly of: (leg: Asker, tool: string) => Promise<readonly ParamHeader[]>;
};

export function createParamHeaders(): ParamHeaders {
  const known = new Map<ServerName, { readonly container: ContainerId; readonly declared: Declared }>();
  const declaredBy = (server: ServerName, container: ContainerId): Declared => {
    const before = known.get(server);
    if (before?.container === container) return before.declared;
    const declared: Declared = new Map();
    known.set(server, { container, declared });
    return declared;
  };
  const saw: ParamHeaders['saw'] = (server, container, tools) => {
    const declared = declaredBy(server, container);
    for (const tool of Array.isArray(tools) ? tools.filter(isRecord) : []) {
      if (typeof tool.name === 'string') declared.set(tool.name, headersIn(tool.inputSchema));
    }
  };
  const ask = async (leg: Asker, container: ContainerId): Promise<void> => {
    const _meta = { [envelopeKeys.revision]: modernRevision, [envelopeKeys.capabilities]: {} };
    let cursor: unknown;
    for (let page = 0; page < mostPages; page += 1) {
      const params = { _meta, ...(cursor === undefined ? {} : { cursor }) };
      const headers = { 'mcp-protocol-version': modernRevision, 'mcp-method': 'tools/list' };
      const { message } = await leg.ask({ jsonrpc: '2.0', method: 'tools/list', params }, headers).answer;
      if (!isRecord(message.result)) return;
      saw(leg.server, container, message.result.tools);
      cursor = message.result.nextCursor;
      if (typeof cursor !== 'string') return;
    }
  };
  return {
    saw,
    async of(leg, tool) {
      const { container } = await leg.ready();
      if (!declaredBy(leg.server, container).has(tool)) await ask(leg, container);
      return declaredBy(leg.server, container).get(tool) ?? [];
    },
  };
}

/** What of the arguments below this schema stands in headers too. */
export function headersIn(schema: unknown, path: readonly string[] = []): readonly ParamHeader[] {
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
  headers: Readonly<Record<string, string>>,
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
export const paramHeaders = (declared: readonly ParamHeader[], args: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    declared.flatMap(({ name, path }) => {
      const value = valueAt(args, path);
      return isPlain(value) ? [[name, headerText(plainText(value))]] : [];
    }),
  );
