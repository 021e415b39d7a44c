import { LoomsError } from '../model/errors.ts';
import type { ServerName } from '../model/ids.ts';
import { isRecord } from '../model/is-record.ts';
import type { Operation, Upstreams } from './upstreams.ts';

/** What is counted of a gateway, without a word of what was said. */
export type Metrics = {
  readonly opened: (result: string) => void;
  readonly ended: (operation: Operation) => void;
  /** All of it in Prometheus' text format, version 0.0.4. */
  readonly text: (now: { readonly version: string; readonly sessions: number; readonly engineUp: boolean }) => string;
};

/** What MCP's conventions for OpenTelemetry advise for the durations of operations, s. */
const bounds = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] as const;
/** What clients and servers name could be without end; beyond what is known it is all one. */
const other = '_other';
const mostTools = 500;

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

type Histogram = { readonly labels: string; readonly counts: number[]; sum: number; count: number };

export function createMetrics(): Metrics {
  const opens = new Map<string, number>();
  const durations = new Map<string, Histogram>();
  const tools = new Map<ServerName, Set<string>>();

  const learn = ({ server, message, end }: Operation): void => {
    if (message.method !== 'tools/list' || end.kind !== 'answered' || !isRecord(end.answer.result)) return;
    const { tools: listed } = end.answer.result;
    const known = tools.get(server) ?? new Set<string>();
    tools.set(server, known);
    for (const tool of Array.isArray(listed) ? listed : []) {
      if (known.size < mostTools && isRecord(tool) && typeof tool.name === 'string') known.add(tool.name);
    }
  };
  const labelsOf = ({ server, message: { method, params }, end }: Operation): string => {
    const name = isRecord(params) && typeof params.name === 'string' ? params.name : '';
    const tool = tools.get(server)?.has(name) === true ? name : other;
    return labels({
      server,
      mcp_method_name: typeof method === 'string' && methods.has(method) ? method : other,
      ...(method === 'tools/call' ? { gen_ai_tool_name: tool } : {}),
      ...errorOf(end),
    });
  };
  return {
    opened: (result) => void opens.set(result, (opens.get(result) ?? 0) + 1),
    ended(operation) {
      learn(operation);
      const key = labelsOf(operation);
      const histogram = durations.get(key) ?? { labels: key, counts: bounds.map(() => 0), sum: 0, count: 0 };
      durations.set(key, histogram);
      const at = bounds.findIndex((bound) => operation.seconds <= bound);
      if (at !== -1) histogram.counts[at] = (histogram.counts[at] ?? 0) + 1;
      histogram.sum += operation.seconds;
      histogram.count += 1;
    },
    text({ version, sessions, engineUp }) {
      const family = (name: string, type: string, help: string, samples: readonly string[]): string =>
        [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples, ''].join('\n');
      return [
        family('looms_build_info', 'gauge', 'The looms that answers.', [
          `looms_build_info${braced(labels({ version }))} 1`,
        ]),
        family('looms_engine_up', 'gauge', 'Whether the engine answers.', [`looms_engine_up ${engineUp ? 1 : 0}`]),
        family('looms_sessions', 'gauge', 'Sessions of clients that are open.', [`looms_sessions ${sessions}`]),
        family(
          'looms_session_opens_total',
          'counter',
          'Conversations with servers that were opened, by what came of it.',
          [...opens].map(([result, count]) => `looms_session_opens_total${braced(labels({ result }))} ${count}`),
        ),
        family(
          'mcp_server_operation_duration_seconds',
          'histogram',
          'Requests to servers, from when they were sent until they were answered or failed.',
          [...durations.values()].flatMap(samplesOf),
        ),
      ].join('');
    },
  };
}

function samplesOf({ labels: own, counts, sum, count }: Histogram): readonly string[] {
  const name = 'mcp_server_operation_duration_seconds';
  let below = 0;
  const buckets = bounds.map((bound, index) => {
    below += counts[index] ?? 0;
    return `${name}_bucket${braced(`${own},le="${bound}"`)} ${below}`;
  });
  return [
    ...buckets,
    `${name}_bucket${braced(`${own},le="+Inf"`)} ${count}`,
    `${name}_sum${braced(own)} ${sum}`,
    `${name}_count${braced(own)} ${count}`,
  ];
}

/** Why an operation failed, as MCP's conventions call it: by a code of looms, or what kind of an error was answered. */
function errorOf(end: Operation['end']): { readonly error_type?: string } {
  if (end.kind === 'failed') return { error_type: end.code };
  if (end.answer.error !== undefined) return { error_type: 'json-rpc-error' };
  return isRecord(end.answer.result) && end.answer.result.isError === true ? { error_type: 'tool_error' } : {};
}

const braced = (text: string): string => `{${text}}`;

const labels = (all: Readonly<Record<string, string>>): string =>
  Object.entries(all)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',');

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

/** The servers of a project, counted. */
export const measured = (upstreams: Upstreams, { opened, ended }: Metrics): Upstreams => ({
  ...upstreams,
  ended,
  async open(server) {
    try {
      const upstream = await upstreams.open(server);
      opened('ok');
      return upstream;
    } catch (error) {
      opened(error instanceof LoomsError ? error.code : 'internal');
      throw error;
    }
  },
});
