import { type ContentPart, resultParts } from '../../mcp/client/answers/content.ts';
import type { CallProgress, CallResult, SessionOptions } from '../../mcp/client/session.ts';
import { egressText, hasForwarder, isIpv4, isNowhere } from '../../model/container/egress.ts';
import { type DesiredServer, isHttp } from '../../model/desired.ts';
import { LoomsError, withHint } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Policies, QuotaLimit } from '../../model/policy.ts';
import { secretUses } from '../../model/secrets/secret-names.ts';
import type { Refusal } from '../../model/server-view.ts';
import { startOfDay } from '../../model/times.ts';
import { inSpan, startedIn, type TraceContext } from '../../model/trail/tracing.ts';
import { atMost, plural } from '../../model/values/words.ts';
import { quotaOf, sayQuota } from '../../spec/check/quotas.ts';
import { refusedTo } from '../inspect/servers.ts';
import type { Ports } from '../ports.ts';
import { type ArgumentSource, readArguments } from './call-arguments.ts';
import { type OfServer, type OpenServer, onServer } from './open-server.ts';
import { type AuditWarning, recordCall, recordRefusal } from './record-call.ts';
import { prepareFolder, type SavedFile, saveParts } from './save-content.ts';
import { tellWorkSince } from './server-work.ts';

type CallRequest = OfServer & {
  readonly tool: string;
  readonly arguments: ArgumentSource;
  /** Whether the audit trail keeps the arguments themselves. */
  readonly auditArguments: boolean;
  readonly policies: Policies;
  /** Folder for images, audio and embedded resources; made when it is not there. */
  readonly out?: string;
};

export type ToolCallOptions = SessionOptions & {
  readonly onProgress?: (progress: CallProgress) => void;
  /** Hears of things worth saying that do not stop the call, also when the call fails then. */
  readonly onWarning: (warning: CallWarning) => void;
};

/** That a project makes more calls a day than it should. */
type QuotaWarning = { readonly code: 'policy-calls-per-day'; readonly message: string; readonly hint: string };

export type CallWarning = AuditWarning | QuotaWarning | { readonly code: 'schema-unusable'; readonly message: string };

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
  if (!(error instanceof LoomsError) || error.code !== 'json-rpc-error' || error.hint !== undefined) return error;
  const hint = await hintFor([error.message, ...error.detail].join('\n'));
  return hint === undefined ? error : withHint(error, hint);
}

/** What to set when a server's words say that a host was not reached, with what its forwarder noted of it. */
async function reachHint(ports: Ports, { project, server }: OfServer, spec: DesiredServer, said: string) {
  if (unreachableHint(said, spec) === undefined) return undefined;
  return unreachableHint(said, spec, (await refusedTo(ports, { project, name: server, recorded: { spec } })) ?? []);
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
  { session, spec, container, generation, askedEngine, within }: OpenCall,
): Promise<CallOutcome> {
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
  const hintFor = (said: string) => reachHint(ports, request, spec, said);
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
  readonly over?: QuotaWarning;
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
  const calls = await ports.auditReader.countCalls({ project, since });
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

/** What servers of many languages say when a host cannot be reached; the host is the first group, if named. */
const signs = [
  /\b(?:lookup failed for|getaddrinfo \w+|(?:translate|resolve) host ?name)\s+["'[]?([a-z\d_-]+(?:\.[a-z\d_-]+)*)/i,
  /\b(?:lookup|connect(?:ion)? to(?: server at)?)\s+["'[]?([a-z\d_-]+(?:\.[a-z\d_-]+)+)/i,
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b/,
  /\b(?:name or service not known|name resolution|connection refused|network is unreachable|no route to host|all connection attempts failed)\b/i,
];

/** A connection that the forwarder of an allow-list gave up begins all the same, and ends at once. */
const signsOfForwarder = /\b(?:ECONNRESET|socket hang up|connection reset|closed the connection unexpectedly)\b/i;

/** An address that a message names, and that a list could have. */
const addressIn = (said: string): string | undefined =>
  (said.match(/\b(?:\d{1,3}\.){3}\d{1,3}\b/g) ?? []).find((one) => isIpv4(one) && !isNowhere(one));

/** An address at which a server finds the hosts of its list (src/docker/model/way-out.ts). */
const forwarderAddress = /\b169\.254\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\b/;

/** A host that a message does not name. */
const unnamed = 'the host';

/** What a server may reach, and what to write so that it reaches a host. */
function wayHint(host: string, { mode, egress, egressLearn }: DesiredServer['network']): string {
  if (mode === 'bridge') return `check that ${host} is right and answers`;
  if (mode === 'none') {
    return `${host} cannot be reached without a network (network.mode: none): with mode: isolated, docker_backend.network.egress lists what the server may reach`;
  }
  const listed = egress.filter((one) => one.host === host).map(egressText);
  if (listed.length > 0) {
    const found = isIpv4(host) ? '' : '; it is found at an address of 169.254.0.0/16, which some programs refuse';
    return `${listed.join(' and ')} may be reached: check that the port is this one, and that the host answers${found}`;
  }
  const now = egress.length === 0 ? 'nothing outside' : `only ${egress.map(egressText).join(', ')}`;
  const entry = `"${host === unnamed ? 'HOST' : host}:PORT"`;
  if (egressLearn) {
    return `${host} cannot be reached: the server reaches ${now}, and what it tries is noted (network.egress_learn); \`looms egress suggest\` prints the list for its spec`;
  }
  return `${host} cannot be reached: the server reaches ${now} (network.mode: isolated); add ${entry} to docker_backend.network.egress`;
}

/** How many refusals a hint names. */
const namedRefusals = 3;

/** Those of the host, or the most frequent ones where a server did not name it. */
function refusedText(host: string, refused: readonly Refusal[]): string {
  const names = (what: string): readonly string[] => what.toLowerCase().split(/[^a-z0-9._-]+/);
  const about = refused.filter(({ what }) => host === unnamed || names(what).includes(host.toLowerCase()));
  const named = about.slice(0, namedRefusals).map(({ what, times }) => `${what} (${times})`);
  const more = about.length > named.length ? ', …' : '';
  return named.length === 0 ? '' : `; refused so far: ${named.join(', ')}${more}`;
}

/**
 * What to set when a server's words say that a host was not reached; else undefined. `refused` is what its forwarder
 * noted, the most frequent first.
 */
export function unreachableHint(
  said: string,
  spec: Pick<DesiredServer, 'network' | 'environment' | 'mcp'>,
  refused: readonly Refusal[] = [],
): string | undefined {
  const all = !hasForwarder(spec) ? signs : [...signs, signsOfForwarder];
  const found = all.flatMap((sign) => {
    const match = sign.exec(said);
    return match === null ? [] : [match[1]];
  });
  const [ours] = (hasForwarder(spec) && forwarderAddress.exec(said)) || [];
  if (found.length === 0 && ours !== undefined) {
    return `${ours} is where the server finds a host of network.egress: if it takes public addresses only, it has to be told to take this one (mcp-server-fetch: --allow-private-ips)`;
  }
  if (found.length === 0) return undefined;
  const host = found.find((name) => name !== undefined) ?? addressIn(said) ?? unnamed;
  const provided = secretUses(spec).flatMap(({ refs }) => refs.filter(({ from }) => from === 'provider'));
  const secrets = [...new Set(provided.map(({ name }) => name))];
  const way = wayHint(host, spec.network) + refusedText(host, refused);
  const values = secrets.map((name) => `\`looms config set-key ${name}\``).join(', ');
  return secrets.length === 0 ? way : `${way}; if the host itself is wrong, ${values} sets another`;
}
