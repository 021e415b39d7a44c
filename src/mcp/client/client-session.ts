import {
  type Client,
  LOG_LEVEL_META_KEY,
  type Progress,
  type RequestOptions,
  type Tool as SdkTool,
  type StandardSchemaV1,
} from '@modelcontextprotocol/client';
import { LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { nearest } from '../../model/values/nearest.ts';
import type { ExactResults } from './answers/exact-results.ts';
import { headerProblem } from './arguments/param-headers.ts';
import { type CallClocks, maxTimerMs } from './call-clock.ts';
import type { HooksInUse } from './call-hooks.ts';
import type { Connection } from './connection.ts';
import { filterTools, isAllowed, unknownFilterNames } from './filter.ts';
import { promptsOf } from './prompts.ts';
import { identified, listAll, type RequestBounds, type Requester } from './requests.ts';
import { resourcesOf } from './resources.ts';
import type { EndMemory } from './server-memory.ts';
import type { CallProgress, CallResult, Session, SessionOptions, SessionTarget, Tool } from './session.ts';
import { type Circumstances, explain } from './session-errors.ts';

/** How long the engine may take to say how a process ended once its stream is closed, ms. */
const exitWaitMs = 1_000;

/** The exit code of a program that ended itself with SIGABRT. */
const aborted = 134;

/** Lines of a server's log that are looked at where it failed: a stack and what stands above it. */
const logLines = 40;

/** How often a list that changes while it is read is read: a server may say so each time. */
const mostFetches = 3;

/** Takes any result: what a server sends is shown as received, and an odd field is no reason to refuse it. */
const anyResult: StandardSchemaV1<unknown, Record<string, unknown>> = {
  '~standard': {
    version: 1,
    vendor: 'looms',
    validate: (value) => (isRecord(value) ? { value } : { issues: [{ message: 'the result is no object' }] }),
  },
};

/** What is known of a server when an error came up, gathered from its connection and from the engine. */
export async function circumstancesOf(
  target: SessionTarget,
  connection: Connection,
  phase: Circumstances['phase'],
  bounds: { limitMs: number; signal?: AbortSignal | undefined; stuckBeside?: number },
): Promise<Circumstances> {
  const ending = await connection.ending(exitWaitMs);
  const wantsLog = (phase === 'handshake' || ending !== undefined) && ending?.kind !== 'no-room';
  const died = phase === 'handshake' && ending?.kind === 'exited' && !connection.isHttp ? ending : undefined;
  // Those that it began beside may be gone by now, as a session that finds no room is: both moments count.
  const others = died && Math.max(await openSessions(target), connection.beside?.() ?? 0);
  // One that ends at once alone in its container most often does not know what it was asked.
  const mayBeCrowded = others !== undefined && (others > 0 || died?.code === aborted);
  return {
    server: target.spec.name,
    phase,
    limitMs: bounds.limitMs,
    interrupted: bounds.signal?.aborted === true,
    ...defined({ ending, others }),
    ...(mayBeCrowded ? { refused: (await connection.wasRefused?.()) === true } : {}),
    ...(bounds.stuckBeside ? { others: bounds.stuckBeside, refused: true } : {}),
    stray: connection.stray(),
    log: wantsLog ? [...connection.stderr(), ...(await logTail(target))] : [],
  };
}

/** How many sessions are open; 0 also where the engine does not say, as its error is not what counts here. */
const openSessions = ({ sessions, container }: SessionTarget): Promise<number> =>
  sessions.countSessions(container, { signal: AbortSignal.timeout(3_000) }).catch(() => 0);

/** The last lines of the container's log. The engine may be the one that failed: then the first error is what counts. */
async function logTail(target: SessionTarget): Promise<readonly string[]> {
  try {
    const lines = await target.sessions.tailLog(target.container, logLines, { signal: AbortSignal.timeout(3_000) });
    return lines.map((line) => line.text);
  } catch {
    return ['(the log of the container could not be read)'];
  }
}

/** What a session needs besides its connected client. */
export type SessionParts = {
  /** Bounds one `tools/list` page, ms. */
  readonly listTimeoutMs: number;
  readonly clocks: CallClocks;
  readonly exact: ExactResults;
  readonly hooks: Pick<SessionOptions, 'onLog' | 'onRefused'>;
  readonly hooksInUse: HooksInUse;
  readonly ends: EndMemory;
};

/** Wraps a connected client as a session. */
export function createSession(
  target: SessionTarget,
  client: Client,
  connection: Connection,
  { listTimeoutMs, clocks, exact, hooks, hooksInUse, ends }: SessionParts,
): Session {
  const filter = target.spec.mcp.tools;
  const server = client.getServerVersion();
  const instructions = client.getInstructions();
  const era = client.getProtocolEra() ?? 'legacy';
  // Only the stateless revisions over HTTP mirror arguments into headers.
  const mirrorsArguments = connection.isHttp && era === 'modern';
  // From 2026-07-28 on a server logs to those that ask for it with each request.
  const metaFor = (listener: SessionOptions['onLog']) =>
    era === 'modern' && (listener ?? hooks.onLog) !== undefined ? { _meta: { [LOG_LEVEL_META_KEY]: 'info' } } : {};
  let known: readonly Tool[] | undefined;
  let changes = 0;
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    known = undefined;
    changes += 1;
  });

  const failure = async (
    error: unknown,
    phase: Circumstances['phase'],
    limitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<LoomsError> => explain(error, await circumstancesOf(target, connection, phase, { limitMs, signal }));

  /** A request's bound stands still while a question is open. */
  const bounded = async (
    { phase, timeoutMs, signal }: RequestBounds,
    send: (options: RequestOptions) => Promise<Readonly<Record<string, unknown>>>,
  ): Promise<Readonly<Record<string, unknown>>> => {
    const clock = clocks.start(timeoutMs);
    const options = {
      timeout: maxTimerMs,
      signal: signal === undefined ? clock.signal : AbortSignal.any([signal, clock.signal]),
    };
    try {
      return await exact.of(() => send(options));
    } catch (error) {
      if (clock.signal.reason instanceof LoomsError) throw clock.signal.reason;
      throw await failure(error, phase, timeoutMs, signal);
    } finally {
      clock.stop();
    }
  };

  const requester: Requester = {
    server: target.spec.name,
    listTimeoutMs,
    offers: (capability) => client.getServerCapabilities()?.[capability] !== undefined,
    request: (method, params, bounds) =>
      bounded(bounds, (options) =>
        client.request({ method, params: { ...metaFor(undefined), ...params } }, anyResult, options),
      ),
  };

  const fetchTools = async (signal?: AbortSignal): Promise<readonly Tool[]> => {
    if (!requester.offers('tools')) return [];
    const found = await listAll(requester, 'tools/list', 'tools', signal);
    const tools = identified(found, 'name', { server: target.spec.name, what: 'tool' }).map((tool) => ({
      ...tool,
      inputSchema: isRecord(tool.inputSchema) ? tool.inputSchema : { type: 'object' },
    }));
    return mirrorsArguments ? callable(tools, hooks.onRefused) : tools;
  };

  const currentTools = async (signal?: AbortSignal): Promise<readonly Tool[]> => {
    if (known !== undefined) return known;
    for (let fetches = 1; ; fetches++) {
      const before = changes;
      const tools = await fetchTools(signal);
      // A list that changed while it was read may be the old one, or pages of both.
      if (changes === before) known = tools;
      if (changes === before || fetches === mostFetches) return tools;
    }
  };

  /** The tool by its exact name; a list that is older than this call is asked for once more before it counts. */
  const find = async (name: string, signal?: AbortSignal): Promise<Tool> => {
    const wasKnown = known !== undefined;
    let tools = await currentTools(signal);
    if (wasKnown && isAllowed(filter, name) && !tools.some((tool) => tool.name === name)) {
      known = undefined;
      tools = await currentTools(signal);
    }
    const tool = isAllowed(filter, name) ? tools.find((candidate) => candidate.name === name) : undefined;
    if (tool !== undefined) return tool;
    const visible = filterTools(filter, tools).map((candidate) => candidate.name);
    const near = nearest(name, visible);
    const hints = [
      near === undefined ? undefined : `did you mean ${near}?`,
      isAllowed(filter, name) ? undefined : 'mcp_server.tools of its spec allows other tools only.',
      near === undefined && visible.length > 0
        ? `It has: ${visible.slice(0, 10).join(', ')}${visible.length > 10 ? ', …' : '.'}`
        : undefined,
    ];
    throw new LoomsError('tool-not-found', `${target.spec.name} has no tool ${JSON.stringify(name)}`, {
      hint: hints.filter((hint) => hint !== undefined).join(' ') || 'It has no tools at all.',
    });
  };

  const end = async (trusting: boolean): Promise<void> => {
    if (trusting && (await ends.endsWithInput())) return connection.leave();
    await ends.ended(await connection.close());
  };
  let closing: Promise<void> | undefined;
  return {
    server: { name: server?.name ?? target.spec.name, version: server?.version ?? '' },
    protocolVersion: client.getNegotiatedProtocolVersion() ?? '',
    era,
    capabilities: client.getServerCapabilities() ?? {},
    ...(instructions === undefined ? {} : { instructions }),
    async listTools(options = {}) {
      known = undefined;
      const tools = await currentTools(options.signal);
      return { tools: filterTools(filter, tools), unknownFilterNames: unknownFilterNames(filter, tools) };
    },
    findTool: (name, options = {}) => find(name, options.signal),
    async callTool(name, args, { timeoutMs, signal, ...hooks }) {
      const tool = await find(name, signal);
      const { _meta: meta } = metaFor(hooks.onLog);
      const _meta = { ...meta, ...hooks.trace };
      const params = { name, arguments: { ...args }, ...(Object.keys(_meta).length === 0 ? {} : { _meta }) };
      const { onProgress } = hooks;
      const onprogress =
        onProgress === undefined ? {} : { onprogress: (progress: Progress) => onProgress(asProgress(progress)) };
      const result = await hooksInUse.during(hooks, () =>
        bounded({ phase: { tool: name }, timeoutMs, signal }, (bounds) => {
          const options = { ...bounds, ...onprogress };
          // The SDK mirrors in its own call.
          return mirrorsArguments
            ? client.callTool(params, { ...options, toolDefinition: definitionWithoutOutput(tool) })
            : client.request({ method: 'tools/call', params }, anyResult, options);
        }),
      );
      return asCallResult(result);
    },
    ...resourcesOf(requester),
    ...promptsOf(requester),
    close({ trusting = false } = {}) {
      closing ??= end(trusting);
      return closing;
    },
  };
}

/** The tools of a list that can be called, telling of the others. */
function callable(tools: readonly Tool[], onRefused: SessionOptions['onRefused']): readonly Tool[] {
  return tools.filter((tool) => {
    const why = headerProblem(tool);
    if (why !== undefined) onRefused?.({ what: `tool ${tool.name}`, why });
    return why === undefined;
  });
}

const definitionWithoutOutput = (tool: Tool): SdkTool => ({
  name: tool.name,
  inputSchema: { ...tool.inputSchema, type: 'object' },
});

const asProgress = ({ progress, total, message }: Progress): CallProgress => ({
  progress,
  ...defined({ total, message }),
});

/** Older servers leave `content` out when there is none. */
function asCallResult(result: Readonly<Record<string, unknown>>): CallResult {
  const content = Array.isArray(result.content) ? result.content.filter(isRecord) : [];
  const { isError, ...rest } = result;
  return { ...rest, content, ...(typeof isError === 'boolean' ? { isError } : {}) };
}
