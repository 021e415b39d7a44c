import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export type CollectedSpan = {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
  /** `service.name` of the program that sent it. */
  readonly service: unknown;
};

type Attribute = { readonly key: string; readonly value: Readonly<Record<string, unknown>> };

const valuesOf = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** Takes spans as a collector does, as JSON of OTLP over HTTP; `answer` is what it says to them. */
export async function startCollector(answer = 200) {
  const spans: CollectedSpan[] = [];
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    bodies.push(body);
    const { resourceSpans } = JSON.parse(body);
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = valuesOf(resource.attributes)['service.name'];
      for (const { spans: some } of scopeSpans) {
        for (const span of some) {
          spans.push({ ...span, attributes: valuesOf(span.attributes), failed: span.status?.code === 2, service });
        }
      }
    }
    response.writeHead(request.url === '/v1/traces' ? answer : 404, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    /** All that was sent, as it came. */
    bodies,
    /** Forgets what came so far. */
    clear: () => spans.splice(0),
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** Each span as a path of names from the root of its trace, sorted. */
export function treeOf(spans: readonly CollectedSpan[]): readonly string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const path = (span: CollectedSpan): string => {
    const parent = byId.get(span.parentSpanId ?? '');
    return parent === undefined ? span.name : `${path(parent)} > ${span.name}`;
  };
  return spans.map(path).toSorted();
}
