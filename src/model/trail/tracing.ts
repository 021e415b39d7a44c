import { codeOf } from '../errors.ts';
import { isRecord } from '../values/is-record.ts';

/** Where a span stands in a trace, as W3C Trace Context writes it. */
export type TraceContext = { readonly traceparent: string; readonly tracestate?: string };

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export type SpanStart = {
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  /** Without one, the span begins a trace. */
  readonly parent?: TraceContext | undefined;
  readonly attributes?: SpanAttributes;
};

/** A span that is open. Nothing here throws. */
export type Span = {
  /** What is handed on to whoever works for this span; undefined where nothing is traced. */
  readonly context: TraceContext | undefined;
  readonly set: (attributes: SpanAttributes) => void;
  /** Marks the span as failed, for `error.type`: a word of a small set. */
  readonly fail: (errorType: string) => void;
  readonly end: () => void;
};

/** A span that somebody else measured; times in ms since 1970. */
export type MeasuredSpan = SpanStart & {
  readonly startMs: number;
  readonly endMs: number;
  /** 16 hexadecimal digits, where others name it as their parent. */
  readonly id?: string;
  readonly failed?: string | undefined;
};

/** Tells of what happened in spans. Nothing here throws, and nothing waits for whoever collects them but `close`. */
export type Tracing = {
  readonly start: (of: SpanStart) => Span;
  readonly add: (span: MeasuredSpan) => void;
  /** Sends what is not sent yet, within 5 s. */
  readonly close: () => Promise<void>;
};

export const unseenSpan: Span = { context: undefined, set: () => {}, fail: () => {}, end: () => {} };

export const noTracing: Tracing = { start: () => unseenSpan, add: () => {}, close: async () => {} };

/** Does work in a span, which ends with it. Passes on what `work` returns or throws; a failure is told by its code. */
export async function inSpan<T>(tracing: Tracing, of: SpanStart, work: (span: Span) => Promise<T>): Promise<T> {
  const span = tracing.start(of);
  try {
    return await work(span);
  } catch (error) {
    span.fail(codeOf(error));
    throw error;
  } finally {
    span.end();
  }
}

/** W3C Trace Context, 3.2: version 00, ids that are not all zero. */
const traceparentForm = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** W3C Trace Context, 3.3.1.5: at least so many characters are passed on. */
const longestTracestate = 512;

/** The context that fields of these names hold (headers, `_meta`, the environment); undefined where that is none. */
export function traceContextIn(fields: unknown): TraceContext | undefined {
  if (!isRecord(fields)) return undefined;
  const { traceparent, tracestate } = fields;
  if (typeof traceparent !== 'string' || !traceparentForm.test(traceparent)) return undefined;
  const isState = typeof tracestate === 'string' && /^[\x20-\x7e]+$/.test(tracestate);
  return { traceparent, ...(isState && tracestate.length <= longestTracestate ? { tracestate } : {}) };
}

/**
 * The span that a program was started in, as its environment says (OpenTelemetry: "Environment Variables as Context
 * Propagation Carriers").
 */
export const startedIn = ({
  TRACEPARENT: traceparent,
  TRACESTATE: tracestate,
}: Readonly<Record<string, string | undefined>>): TraceContext | undefined =>
  traceContextIn({ traceparent, tracestate });

/** The ids of a context, in hexadecimal digits. */
export const idsOf = ({ traceparent }: TraceContext): { readonly trace: string; readonly span: string } => ({
  trace: traceparent.slice(3, 35),
  span: traceparent.slice(36, 52),
});

/** The context of another span of the same trace, by its id. */
export const withSpan = (context: TraceContext, span: string): TraceContext => ({
  ...context,
  traceparent: `${context.traceparent.slice(0, 36)}${span}${context.traceparent.slice(52)}`,
});
