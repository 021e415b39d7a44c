import { codeOf } from '../model/errors.ts';
import type { ServerName } from '../model/ids.ts';
import { createHistogram, type Histogram, type MetricFamily, metricsText, single } from '../model/trail/metrics.ts';
import { isRecord } from '../model/values/is-record.ts';
import type { Operation, Upstreams } from './upstreams.ts';

/** What is counted of a gateway, without a word of what was said. */
export type Metrics = {
  readonly opened: (result: string) => void;
  readonly ended: (operation: Operation) => void;
  readonly listed: NonNullable<Upstreams['listed']>;
  /** All of it in Prometheus' text format, version 0.0.4. */
  readonly text: (
    now: { readonly version: string; readonly sessions: number; readonly engineUp: boolean },
    more?: readonly MetricFamily[],
  ) => string;
};

/** What every `/metrics` begins with. */
export const commonFamilies = ({
  version,
  engineUp,
}: {
  readonly version: string;
  readonly engineUp: boolean;
}): readonly MetricFamily[] => [
  {
    name: 'looms_build_info',
    type: 'gauge',
    help: 'The looms that answers.',
    samples: [{ labels: { version }, value: 1 }],
  },
  { name: 'looms_engine_up', type: 'gauge', help: 'Whether the engine answers.', samples: single(engineUp ? 1 : 0) },
];

/** What MCP's conventions for OpenTelemetry advise for the durations of operations, s. */
const bounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] as const;
/** What clients and servers name could be without end; beyond what is known it is all one. */
const other = '_other';
const mostTools = 500;
/** Longest name of a tool that is a label, characters: names are the server's own, and each is told some twenty times. */
const longestTool = 128;

const methods: ReadonlySet<string> = new Set([
  'completion/complete',
  'initialize',
  'logging/setLevel',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'server/discover',
  'subscriptions/listen',
  'tools/call',
  'tools/list',
]);

export function createMetrics(): Metrics {
  const opens = new Map<string, number>();
  const durations = new Map<string, Histogram>();
  const tools = new Map<ServerName, Set<string>>();

  const listed: Metrics['listed'] = (server, { result }) => {
    if (!isRecord(result)) return;
    const known = tools.get(server) ?? new Set<string>();
    tools.set(server, known);
    for (const tool of Array.isArray(result.tools) ? result.tools : []) {
      const name = isRecord(tool) && typeof tool.name === 'string' ? tool.name : '';
      if (name !== '' && known.size < mostTools && name.length <= longestTool) known.add(name);
    }
  };
  const labelsOf = ({ server, message: { method, params }, end }: Operation): Readonly<Record<string, string>> => {
    const name = isRecord(params) && typeof params.name === 'string' ? params.name : '';
    const tool = tools.get(server)?.has(name) === true ? name : other;
    return {
      server,
      mcp_method_name: typeof method === 'string' && methods.has(method) ? method : other,
      ...(method === 'tools/call' ? { gen_ai_tool_name: tool } : {}),
      ...errorOf(end),
    };
  };
  return {
    opened: (result) => void opens.set(result, (opens.get(result) ?? 0) + 1),
    listed,
    ended(operation) {
      const labels = labelsOf(operation);
      const key = JSON.stringify(labels);
      const histogram = durations.get(key) ?? createHistogram(bounds, labels);
      durations.set(key, histogram);
      histogram.observe(operation.seconds);
    },
    text: ({ sessions, ...now }, more = []) =>
      metricsText([
        ...commonFamilies(now),
        {
          name: 'looms_sessions',
          type: 'gauge',
          help: 'Sessions of clients that are open.',
          samples: single(sessions),
        },
        {
          name: 'looms_session_opens_total',
          type: 'counter',
          help: 'Conversations with servers that were opened, by what came of it.',
          samples: [...opens].map(([result, value]) => ({ labels: { result }, value })),
        },
        {
          name: 'mcp_server_operation_duration_seconds',
          type: 'histogram',
          help: 'Requests to servers, from when they were sent until they were answered or failed.',
          samples: [...durations.values()].flatMap((histogram) => histogram.samples()),
        },
        ...more,
      ]),
  };
}

/** Why an operation failed, as MCP's conventions call it: by a code of looms, or what kind of an error was answered. */
function errorOf(end: Operation['end']): { readonly error_type?: string } {
  if (end.kind === 'failed') return { error_type: end.code };
  if (end.answer.error !== undefined) return { error_type: 'json-rpc-error' };
  return isRecord(end.answer.result) && end.answer.result.isError === true ? { error_type: 'tool_error' } : {};
}

/** The servers of a project, counted. */
export const measured = (upstreams: Upstreams, { opened, ended, listed }: Metrics): Upstreams => ({
  ...upstreams,
  ended,
  listed,
  async open(server, makeRoom, places) {
    try {
      const upstream = await upstreams.open(server, makeRoom, places);
      opened('ok');
      return upstream;
    } catch (error) {
      opened(codeOf(error));
      throw error;
    }
  },
});
