import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { exactNumber, numberOf, parsedExactly } from '../../../model/values/exact-number.ts';
import { isRecord } from '../../../model/values/is-record.ts';

type Result = Readonly<Record<string, unknown>>;

/** One request that waits for its result, under the id of the last message that was sent for it. */
type Waiting = { id?: string | number; result?: Result };

/**
 * Results with their numbers as the server wrote them. The SDK parses every message, and checks results of the newer
 * revision, with JavaScript's numbers; so it keeps its own reading, and ours, of the same text, takes its place after it.
 */
export type ExactResults = {
  /** Reads the text of a message, or of a batch, before the SDK has it. */
  readonly heard: (text: string) => void;
  /** Takes note of a message that is being sent, and gives the numbers back that `markNumber` stands for. */
  readonly sending: (message: JSONRPCMessage) => JSONRPCMessage;
  /** Does what sends a request and waits for its result. A request may take several messages: the last one counts. */
  readonly of: <T extends Result>(ask: () => Promise<T>) => Promise<Result>;
};

export function createExactResults(): ExactResults {
  const asking = new AsyncLocalStorage<Waiting>();
  const open = new Map<string | number, Waiting>();
  const forget = ({ id }: Waiting) => {
    if (id !== undefined) open.delete(id);
  };
  return {
    heard(text) {
      if (open.size === 0 || !hasExactNumbers(text)) return;
      for (const { id, result } of messagesOf(text)) {
        const key = numberOf(id) ?? id;
        const waiting = typeof key === 'number' || typeof key === 'string' ? open.get(key) : undefined;
        if (waiting !== undefined && isRecord(result)) waiting.result ??= result;
      }
    },
    sending(message) {
      const waiting = asking.getStore();
      if (waiting !== undefined && 'method' in message && 'id' in message) {
        forget(waiting);
        waiting.id = message.id;
        delete waiting.result;
        open.set(message.id, waiting);
      }
      return unmarked(message) as JSONRPCMessage;
    },
    async of(ask) {
      const waiting: Waiting = {};
      try {
        const result = await asking.run(waiting, ask);
        if (waiting.result === undefined) return result;
        // The SDK takes it off as well.
        const { resultType: _, ...exact } = waiting.result;
        return exact;
      } finally {
        forget(waiting);
      }
    },
  };
}

/** Whether a JSON text has a number that JavaScript would write differently. */
function hasExactNumbers(text: string): boolean {
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const numbers = text.slice(at, quote === -1 ? undefined : quote).match(/-?\d[\d.eE+-]*/g) ?? [];
    if (numbers.some((number) => JSON.stringify(Number(number)) !== number)) return true;
    if (quote === -1) return false;
    at = afterString(text, quote);
  }
  return false;
}

/** The place behind the string that begins at `quote`. */
function afterString(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** What is no JSON, or nested too deep to be read so, is the SDK's to judge. */
function messagesOf(text: string): readonly Result[] {
  const value = parsedExactly(text);
  return (Array.isArray(value) ? value : [value]).filter(isRecord);
}

/** What a marked text begins with; nobody else can write it. */
const mark = `looms-number-${randomUUID()}:`;

/** A number in an answer to a question, as a text: the SDK checks these values, and knows JavaScript's numbers alone. */
export const markNumber = (source: string): string => `${mark}${source}`;

/** A value with its marked texts as the numbers they stand for. */
function unmarked(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(mark) ? exactNumber(value.slice(mark.length)) : value;
  if (Array.isArray(value)) return value.map(unmarked);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unmarked(inner)]));
}
