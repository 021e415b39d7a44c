import { defined } from '../values/defined.ts';
import { isRecord } from '../values/is-record.ts';
import { parsedJson } from '../values/parsed-json.ts';
import type { SpanAttributes } from './tracing.ts';

/** What stands before a span on the stderr of a server that uses loom's trace library. */
const mark = '__LOOM_TRACE__:';

/** What a server says of a piece of its work; times in ms since 1970. Names and values are the server's own. */
export type TraceLine = {
  /** The trace that its process was started in, where somebody told it. */
  readonly trace?: string;
  /** What it calls this piece, and the one that this is a part of: words of its own, as it likes. */
  readonly span?: string;
  readonly parent?: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: SpanAttributes;
};

/** Longest name, key and value of a line, characters, and the most values: what goes beyond is left out. */
const longest = { name: 200, id: 64, key: 100, value: 1_000, line: 64_000 };
const mostAttributes = 32;
/** A piece of work that took longer is no part of a call, ms. */
const longestMs = 24 * 3_600_000;

function attributesOf(given: unknown): SpanAttributes {
  const entries = Object.entries(isRecord(given) ? given : {}).flatMap(
    ([key, value]): [string, string | number | boolean][] => {
      if (key === '' || key.length > longest.key) return [];
      if (typeof value === 'boolean' || Number.isFinite(value)) return [[key, value as boolean | number]];
      return typeof value === 'string' ? [[key, value.slice(0, longest.value)]] : [];
    },
  );
  return Object.fromEntries(entries.slice(0, mostAttributes));
}

/** Whether a line of a log says that it holds a span: what is done for each line of a flood has to be cheap. */
export const saysTrace = (text: string): boolean => text.startsWith(mark);

/** The span that a line of a log holds; undefined for any other line, and for one that does not hold together. */
export function readTraceLine(text: string): TraceLine | undefined {
  if (!saysTrace(text) || text.length > longest.line) return undefined;
  const value = parsedJson(text.slice(mark.length));
  if (!isRecord(value)) return undefined;
  const { name, start_time: start, end_time: end, status, attributes, trace_id: trace } = value;
  const idOf = (given: unknown): string | undefined =>
    typeof given === 'string' && given !== '' && given.length <= longest.id ? given : undefined;
  if (typeof name !== 'string' || name === '' || typeof start !== 'string' || typeof end !== 'string') return undefined;
  const [startMs, endMs] = [Date.parse(start), Date.parse(end)];
  // Also false where one is no time.
  if (!(endMs >= startMs && endMs - startMs <= longestMs)) return undefined;
  return {
    ...(typeof trace === 'string' && /^[0-9a-f]{32}$/.test(trace) ? { trace } : {}),
    ...defined({ span: idOf(value.span_id), parent: idOf(value.parent_id) }),
    name: name.slice(0, longest.name),
    startMs,
    endMs,
    failed: status === 'error',
    attributes: attributesOf(attributes),
  };
}
