import { type DesiredServer, isHttp } from '../model/desired.ts';
import {
  inSpan,
  noTracing,
  type Span,
  type SpanStart,
  type TraceContext,
  traceContextIn,
  unseenSpan,
} from '../model/trail/tracing.ts';
import { isRecord } from '../model/values/is-record.ts';
import { metaOf, paramsOf } from './messages/message.ts';
import type { ClientRequest, Message } from './messages/protocol.ts';
import type { Upstreams } from './upstreams.ts';

/**
 * Spans of requests, by OpenTelemetry's conventions for MCP (status: development, 2026-11): `tools/call NAME`, with the
 * client's context of `_meta` as the parent. No arguments and no results.
 */
export type Traced = {
  readonly upstreams: Upstreams;
  readonly message: ClientRequest;
  readonly protocolVersion: string;
  /** The span that this is a part of; else what the client says. */
  readonly within?: TraceContext | undefined;
  /** Hears the span in which the server is asked. */
  readonly onSpan?: (context: TraceContext) => void;
};

/** Names of methods, tools and prompts are the client's: in a span they have at most so many characters. */
const longestName = 128;

const targetOf = ({ method, params }: Message): string | undefined => {
  const name = isRecord(params) && (method === 'tools/call' || method === 'prompts/get') ? params.name : undefined;
  return typeof name === 'string' ? name.slice(0, longestName) : undefined;
};

function spanOf({ message, protocolVersion, within }: Traced, kind: SpanStart['kind'], server: string): SpanStart {
  const method = (message.method ?? '').slice(0, longestName);
  const target = targetOf(message);
  const ofTarget = message.method === 'prompts/get' ? 'gen_ai.prompt.name' : 'gen_ai.tool.name';
  return {
    name: target === undefined ? method : `${method} ${target}`,
    kind,
    parent: within ?? traceContextIn(metaOf(message)),
    attributes: {
      'mcp.method.name': method,
      'mcp.protocol.version': protocolVersion,
      'jsonrpc.request.id': String(message.id).slice(0, longestName),
      'looms.server': server,
      ...(target === undefined ? {} : { [ofTarget]: target }),
      ...(message.method === 'tools/call' ? { 'gen_ai.operation.name': 'execute_tool' } : {}),
    },
  };
}

/** Marks a span by an answer: a tool's own error, or the code of JSON-RPC. */
export function endedWith(span: Span, { result, error }: Message): void {
  if (isRecord(result) && result.isError === true) span.fail('tool_error');
  if (!isRecord(error)) return;
  span.set({ 'rpc.response.status_code': String(error.code) });
  span.fail(String(error.code));
}

/** Answers a request of a client in a span of its own; what is done for it is a part of that. */
export const asServer = <R extends Traced, T>(
  request: R,
  server: string,
  work: (request: R, span: Span) => Promise<T>,
): Promise<T> => {
  const { tracing = noTracing } = request.upstreams;
  if (tracing === noTracing) return work(request, unseenSpan);
  return inSpan(tracing, spanOf(request, 'server', server), (span) =>
    work({ ...request, within: span.context ?? request.within }, span),
  );
};

/** Asks a server in a span, whose context goes along in the message's `_meta`. */
export const asClient = <R extends Traced, T>(
  request: R,
  spec: DesiredServer,
  work: (message: R['message'], span: Span) => Promise<T>,
): Promise<T> => {
  const { message } = request;
  const { tracing = noTracing } = request.upstreams;
  if (tracing === noTracing) return work(message, unseenSpan);
  return inSpan(tracing, spanOf(request, 'client', spec.name), (span) => {
    const { context } = span;
    if (context === undefined) return work(message, span);
    request.onSpan?.(context);
    span.set({ 'network.transport': isHttp(spec) ? 'tcp' : 'pipe' });
    return work({ ...message, params: { ...paramsOf(message), _meta: { ...metaOf(message), ...context } } }, span);
  });
};

/** A part of the work on a request. */
export const asPart = <T>(
  { upstreams, within }: Pick<Traced, 'upstreams' | 'within'>,
  name: string,
  work: () => Promise<T>,
): Promise<T> =>
  within === undefined
    ? work()
    : inSpan(upstreams.tracing ?? noTracing, { name, kind: 'internal', parent: within }, work);
