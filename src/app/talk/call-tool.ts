import { type ContentPart, resultParts } from '../../mcp/client/answers/content.ts';
import type { CallProgress, CallResult } from '../../mcp/client/session.ts';
import { isHttp } from '../../model/desired.ts';
import { isFailure, LoomsError, withHint } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { Policies, QuotaLimit } from '../../model/policy.ts';
import { startOfDay } from '../../model/times.ts';
import { inSpan, startedIn, type TraceContext } from '../../model/trail/tracing.ts';
import { defined } from '../../model/values/defined.ts';
import { atMost, plural } from '../../model/values/words.ts';
import { quotaOf, sayQuota } from '../../spec/check/quotas.ts';
import { refusedTo } from '../inspect/servers.ts';
import type { Ports } from '../ports.ts';
import { type ArgumentSource, readArguments } from './call-arguments.ts';
import { type OfServer, type OpenServer, onServer, type TalkOptions } from './open-server.ts';
import { recordCall, recordRefusal } from './record-call.ts';
import { prepareFolder, type SavedFile, saveParts } from './save-content.ts';
import { tellWorkSince } from './server-work.ts';
import { unreachableHint } from './unreachable-hint.ts';

type CallRequest = OfServer & {
  readonly tool: string;
  readonly arguments: ArgumentSource;
  /** Whether the audit trail keeps the arguments themselves. */
  readonly auditArguments: boolean;
  readonly policies: Policies;
  /** Folder for images, audio and embedded resources; made when it is not there. */
  readonly out?: string;
};

export type ToolCallOptions = TalkOptions & {
  readonly onProgress?: (progress: CallProgress) => void;
  /** Hears of things worth saying that do not stop the call, also when the call fails then. */
  readonly onWarning: (warning: Notice) => void;
};

type CallOutcome = {
  readonly result: CallResult;
  /** The result piece by piece, without what was saved. */
  readonly parts: readonly ContentPart[];
  readonly saved: readonly SavedFile[];
  /** What to set, when the tool answered with an error that says so. */
  readonly hint?: string;
};

/** The engine's id for the audit trail; a call does not fail because it is not known. */
async function engineId(ports: Ports, signal: AbortSignal | undefined): Promise<string> {
  try {
    return (await (await ports.orchestrator()).describe({ signal })).id;
  } catch {
    return '';
  }
}

const textOf = (parts: readonly ContentPart[]): string =>
  parts.map((part) => (part.kind === 'text' ? part.text : '')).join('\n');

/** A JSON-RPC error that speaks of a host gets the hint that a result with `isError` gets. */
async function withReachHint(error: unknown, hintFor: (said: string) => Promise<string | undefined>): Promise<unknown> {
  if (!isFailure(error, 'json-rpc-error') || error.hint !== undefined) return error;
  const hint = await hintFor([error.message, ...error.detail].join('\n'));
  return hint === undefined ? error : withHint(error, hint);
}

/** What to set when a server's words say that a host was not reached, with what its forwarder noted of it. */
async function reachHint(
  ports: Ports,
  { project, server }: OfServer,
  { spec, secretPrints, listed }: OpenServer,
  said: string,
) {
  if (unreachableHint(said, spec, listed) === undefined) return undefined;
  const asked = { project, name: server, recorded: { spec }, ...defined({ secretPrints }) };
  return unreachableHint(said, spec, listed, (await refusedTo(ports, asked)) ?? []);
}

/**
 * Calls a tool of a running server: arguments are checked against its input schema before, the call is bounded by the
 * spec's `execution_timeout_seconds`, written to the audit trail and counted against `max_executions`. A result with
 * `isError` is a result. Throws `tool-not-found`, `arguments-invalid`, `call-timeout`, `json-rpc-error`,
 * `server-exited`, `file-not-found`, and what `openServer` throws.
 */
export async function callTool(ports: Ports, request: CallRequest, options: ToolCallOptions): Promise<CallOutcome> {
  const { project, server } = request;
  // Asked beside the opening, which takes longer.
  const askedEngine = engineId(ports, options.signal);
  // While the server starts, there is time to load what its call needs.
  const onAsked = () => {
    ports.audit.prepare();
    // Loaded once more when it is needed, where a failure is told.
    import('../../mcp/client/arguments/argument-validation.ts').catch(() => undefined);
  };
  const attributes = { 'looms.project': project, 'looms.server': server };
  const parent = startedIn(ports.environment);
  return inSpan(
    await ports.tracing(),
    { name: 'looms mcp call', kind: 'internal', parent, attributes },
    ({ context }) =>
      onServer(ports, request, { ...options, onAsked, within: context }, (open) =>
        makeCall(ports, request, options, { ...open, askedEngine, within: context }),
      ),
  );
}

type OpenCall = OpenServer & {
  readonly askedEngine: Promise<string>;
  /** The span that the call is a part of. */
  readonly within: TraceContext | undefined;
};

async function makeCall(
  ports: Ports,
  request: CallRequest,
  options: ToolCallOptions,
  open: OpenCall,
): Promise<CallOutcome> {
  const { session, spec, container, generation, askedEngine, within } = open;
  const { project, server, tool: name } = request;
  const { protocolVersion } = session;
  const target = { project, server, generation, container, engine: await askedEngine, protocolVersion, tool: name };
  const { tool, args, limit } = await recordRefusal(ports, target, options.onWarning, async () => {
    const left = await requireCallsLeft(ports, project, request.policies);
    if (left.over !== undefined) options.onWarning(left.over);
    const found = await session.findTool(name, options);
    const { args: read, warning } = await readArguments(ports, request.arguments, {
      what: `tool ${found.name}`,
      schema: found.inputSchema,
      shownBy: `looms mcp tools ${server} ${found.name}`,
      signal: options.signal,
    });
    if (warning !== undefined) options.onWarning({ code: 'schema-unusable', message: warning });
    if (request.out !== undefined) await prepareFolder(ports, request.out);
    return { tool: found, args: read, limit: left.limit };
  });
  const timeoutMs = spec.limits.executionTimeoutSeconds * 1000;
  const hintFor = (said: string) => reachHint(ports, request, open, said);
  const call = { ...target, timeoutMs, arguments: args, keepArguments: request.auditArguments };
  const { signal, onProgress, onWarning } = options;
  const result = await recordCall(ports, call, { onWarning, limit }, () =>
    tracedCall(ports, { spec, container, protocolVersion, tool: tool.name, within }, (trace) =>
      session.callTool(tool.name, args, { timeoutMs, signal, onProgress, trace }),
    ),
  ).catch(async (error: unknown) => {
    throw await withReachHint(error, hintFor);
  });
  const parts = resultParts(result);
  const hint = result.isError === true ? await hintFor(textOf(parts)) : undefined;
  const advice = hint === undefined ? {} : { hint };
  if (request.out === undefined) return { result, parts, saved: [], ...advice };
  const { saved, left } = await saveParts(ports, request.out, tool.name, parts);
  return { result, parts: left, saved, ...advice };
}

type TracedCall = Pick<OpenCall, 'spec' | 'container' | 'within'> & {
  readonly protocolVersion: string;
  readonly tool: string;
};

/** Makes a call in a span of its own, by OpenTelemetry's conventions for MCP; what its server wrote of its work is part of it. */
async function tracedCall(
  ports: Ports,
  { spec, container, within, protocolVersion, tool }: TracedCall,
  make: (trace: TraceContext | undefined) => Promise<CallResult>,
): Promise<CallResult> {
  const since = ports.now();
  const attributes = {
    'mcp.method.name': 'tools/call',
    'mcp.protocol.version': protocolVersion,
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool,
    'network.transport': isHttp(spec) ? 'tcp' : 'pipe',
    'looms.server': spec.name,
  };
  const start = { name: `tools/call ${tool}`, kind: 'client', parent: within, attributes } as const;
  return inSpan(await ports.tracing(), start, async (span) => {
    const { context } = span;
    // Its lines are complete when its session is over.
    if (context !== undefined) {
      ports.atEnd(() => tellWorkSince(ports, { server: spec.name, container }, { since, parent: context }));
    }
    const result = await make(context);
    if (result.isError === true) span.fail('tool_error');
    return result;
  });
}

type CallsLeft = {
  /** What a quota only warns of. */
  readonly over?: Notice;
  /** The limit that a call counts against, where too many are refused. */
  readonly limit: QuotaLimit | undefined;
};

/** The limit of calls a day of a project beyond which calls are refused; undefined where there is none. */
export const dailyLimit = (project: ProjectName, policies: Policies, now: number): QuotaLimit | undefined =>
  quotaOf(policies, { project, now }).callsPerDay?.find(({ severity }) => severity === 'error');

/**
 * Throws `refused` when as many calls were sent for this project today (UTC), by the trail of this machine, as its quota
 * allows, and `ledger-unreadable` when that cannot be told.
 */
export async function requireCallsLeft(ports: Ports, project: ProjectName, policies: Policies): Promise<CallsLeft> {
  const now = ports.now();
  const { callsPerDay } = quotaOf(policies, { project, now });
  if (callsPerDay === undefined) return { limit: undefined };
  const counted = dailyLimit(project, policies, now);
  const since = startOfDay(now);
  const calls = await ports.auditReader.countCalls({ project, backTo: since });
  const used = callsPerDay.find((one) => calls >= one.limit);
  if (used === undefined) return { limit: counted };
  const { limit } = used;
  const message = `project ${project} has made ${plural(calls, 'call')} today, ${atMost(limit)}`;
  const text = `${message} (${sayQuota(used)})`;
  const hint = `\`looms audit --project ${project} --since ${since}\` shows them; the next day begins at midnight UTC`;
  if (used.severity === 'warning') {
    return { over: { code: 'policy-calls-per-day', message: text, hint }, limit: counted };
  }
  throw new LoomsError('refused', text, { hint });
}
