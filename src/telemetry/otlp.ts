import {
  type Attributes,
  createTraceState,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type SpanContext as SdkContext,
  type Span as SdkSpan,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Notice } from '../model/notices.ts';
import { idsOf, type Span, type SpanStart, type TraceContext, type Tracing } from '../model/trail/tracing.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export type OtlpOptions = {
  /** Of `serve.telemetry`; else what `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin say, which the exporter reads itself. */
  readonly endpoint?: string | undefined;
  readonly environment: Environment;
  readonly version: string;
  /** Hears why spans could not be sent, once. */
  readonly warn: (notice: Notice) => void;
};

/** How long what is left may take to be sent when the program ends, ms. */
const closeMs = 5_000;

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

/** As `OTEL_TRACES_SAMPLER` says; what it does not know is all, as the specification has it. */
function samplerOf({ OTEL_TRACES_SAMPLER: name = '', OTEL_TRACES_SAMPLER_ARG: argument }: Environment): Sampler {
  const ratio = argument === undefined || argument === '' ? Number.NaN : Number(argument);
  const root: Readonly<Record<string, () => Sampler>> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio >= 0 && ratio <= 1 ? ratio : 1),
  };
  const own = root[name]?.();
  return own ?? new ParentBasedSampler({ root: root[name.replace(/^parentbased_/, '')]?.() ?? new AlwaysOnSampler() });
}

const sdkContext = (context: TraceContext): SdkContext => ({
  traceId: idsOf(context).trace,
  spanId: idsOf(context).span,
  traceFlags: Number.parseInt(context.traceparent.slice(-2), 16),
  isRemote: true,
  ...(context.tracestate === undefined ? {} : { traceState: createTraceState(context.tracestate) }),
});

function contextOf(span: SdkSpan): TraceContext {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const tracestate = traceState?.serialize();
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    ...(tracestate ? { tracestate } : {}),
  };
}

/** Spans, sent as OTLP over HTTP in the background: a collector that is away costs spans, never a call. */
export function otlpTracing({ endpoint, environment, version, warn }: OtlpOptions): Tracing {
  let isTold = false;
  const tell = (why: string): void => {
    if (isTold) return;
    isTold = true;
    warn({ code: 'traces-not-sent', message: `traces are not sent: ${why.split('\n', 1)[0]}` });
  };
  const silent = (): void => {};
  diag.setLogger({ error: tell, warn: silent, info: silent, debug: silent, verbose: silent }, DiagLogLevel.ERROR);
  const random = new RandomIdGenerator();
  /** The id of the next span, where others know it by that. */
  let nextId: string | undefined;
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'looms', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(environment),
    idGenerator: {
      generateTraceId: () => random.generateTraceId(),
      generateSpanId: () => nextId ?? random.generateSpanId(),
    },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter(
          endpoint === undefined ? {} : { url: `${endpoint.replace(/\/+$/, '')}/v1/traces` },
        ),
      }),
    ],
  });
  const tracer = provider.getTracer('looms', version);
  const begin = ({ name, kind, parent, attributes = {} }: SpanStart, startTime?: number): SdkSpan =>
    tracer.startSpan(
      name,
      { kind: kinds[kind], attributes: attributes as Attributes, ...(startTime === undefined ? {} : { startTime }) },
      parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, sdkContext(parent)),
    );
  const fail = (span: SdkSpan, errorType: string): void => {
    span.setAttribute('error.type', errorType);
    span.setStatus({ code: SpanStatusCode.ERROR });
  };
  return {
    start(of): Span {
      const span = begin(of);
      return {
        context: contextOf(span),
        set: (attributes) => span.setAttributes(attributes as Attributes),
        fail: (errorType) => fail(span, errorType),
        end: () => span.end(),
      };
    },
    add({ id, startMs, endMs, failed, ...of }) {
      nextId = id;
      const span = begin(of, startMs);
      nextId = undefined;
      if (failed !== undefined) fail(span, failed);
      span.end(endMs);
    },
    async close() {
      const { promise: over, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        tell(`the collector did not take them within ${closeMs / 1000} s`);
        resolve();
      }, closeMs);
      await Promise.race([provider.shutdown().catch((error: unknown) => tell(String(error))), over]);
      clearTimeout(timer);
    },
  };
}
