import { isRecord } from '../../model/is-record.ts';
import { parseExactly } from '../../model/values/exact-number.ts';
import type { Message } from './link.ts';

const members: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);

const isId = (id: unknown): boolean => typeof id === 'string' || typeof id === 'number';

/**
 * What a server sent as JSON-RPC knows it, with its text; undefined for what is none. What is half a request and half an
 * answer could be taken for the answer to something else by whoever reads it next, and so could a member that JSON-RPC does
 * not know, as an `ID` is to some: the text is written anew without those. Throws `RangeError` for what is nested too deeply.
 */
export function serverMessage(
  text: string,
  message: Message,
): { readonly text: string; readonly message: Message } | undefined {
  const { id, method, result, error } = message as Readonly<Record<string, unknown>>;
  const answers = (result === undefined ? 0 : 1) + (error === undefined ? 0 : 1);
  if (method === undefined ? answers !== 1 || !isId(id) : answers > 0 || typeof method !== 'string') return undefined;
  if (id !== undefined && !isId(id)) return undefined;
  if (Object.keys(message).every((key) => members.has(key))) return { text, message };
  const exact = parseExactly(text);
  const known = Object.entries(isRecord(exact) ? exact : {}).filter(([key]) => members.has(key));
  return { text: JSON.stringify(Object.fromEntries(known)), message };
}
