import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { isRecord } from '../../../model/values/is-record.ts';

/** Deepest nesting that is taken from a server: what it sends is written as JSON again, by functions that call themselves. */
export const maxDepth = 1_000;

/** The data of an error that stands for an answer which cannot be taken; no server can send these objects. */
const noResult = Object.freeze({ what: 'something that is no result' });
const tooDeep = Object.freeze({ what: 'something nested too deep' });

/**
 * Changes a message that cannot be taken before the client sees it, which would drop it and wait on: a response without a
 * result becomes an error that ends its request at once (`unusableAnswer` tells it from a server's own), and so does one
 * that is nested deeper than `maxDepth`. Any other message so deep loses its `params`.
 */
export function replaceUnusable(message: JSONRPCMessage): void {
  if ('method' in message) {
    if (isTooDeep(message)) delete message.params;
    return;
  }
  const why = isTooDeep(message) ? tooDeep : 'result' in message && !isRecord(message.result) ? noResult : undefined;
  if (why === undefined) return;
  Reflect.deleteProperty(message, 'result');
  Object.assign(message, { error: { code: -32603, message: why.what, data: why } });
}

/** What a server answered, where `data` is that of an error which `replaceUnusable` made. */
export const unusableAnswer = (data: unknown): string | undefined =>
  [noResult, tooDeep].find((known) => known === data)?.what;

/** Level by level, so that nothing here can run out of stack. */
function isTooDeep(value: unknown): boolean {
  let level: readonly object[] = [value].filter(isNested);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= maxDepth) return true;
    level = level.flatMap((outer) => Object.values(outer).filter(isNested));
  }
  return false;
}

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null;
