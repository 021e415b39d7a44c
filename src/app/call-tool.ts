import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { validateArguments } from '../mcp/argument-validation.ts';
import { parseArguments, parseJsonArguments } from '../mcp/arguments.ts';
import { contentToText } from '../mcp/content.ts';
import type { CallProgress, CallResult, SessionOptions, Tool } from '../mcp/session.ts';
import { LoomsError } from '../model/errors.ts';
import type { ProjectName, ServerName } from '../model/ids.ts';
import { openServer } from './open-server.ts';
import type { Ports } from './ports.ts';
import { type AuditWarning, recordCall, recordRefusal } from './record-call.ts';

/** Arguments of a call as the command line has them. */
export type ArgumentSource =
  /** One JSON object, or `key=value`, `key:=json`, `key=@file`. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** A file with a JSON object; `-` is standard input. */
  | { readonly kind: 'file'; readonly path: string };

export type CallRequest = {
  readonly project: ProjectName;
  readonly server: ServerName;
  readonly tool: string;
  readonly arguments: ArgumentSource;
  /** Whether the audit trail keeps the arguments themselves. */
  readonly auditArguments: boolean;
};

export type CallOptions = SessionOptions & {
  readonly onProgress?: (progress: CallProgress) => void;
  /** Hears of things worth saying that do not stop the call, also when the call fails then. */
  readonly onWarning: (warning: CallWarning) => void;
};

export type CallWarning = AuditWarning | { readonly code: 'schema-unusable'; readonly message: string };

export type CallOutcome = {
  readonly result: CallResult;
  /** The result for people: its text, other content named. */
  readonly text: string;
};

async function readArguments(
  ports: Ports,
  source: ArgumentSource,
  tool: Tool,
): Promise<Readonly<Record<string, unknown>>> {
  const read = async (path: string): Promise<string> => {
    if (path === '-') return ports.readStdin();
    try {
      return await readFile(resolve(ports.workingDirectory, path), 'utf8');
    } catch (error) {
      throw new LoomsError('file-not-found', `${path} cannot be read`, { cause: error });
    }
  };
  return source.kind === 'file'
    ? parseJsonArguments(await read(source.path))
    : parseArguments(source.words, tool.inputSchema, read);
}

/** Throws `arguments-invalid`; a schema that cannot be used is a warning. */
function checkArguments(
  server: ServerName,
  tool: Tool,
  args: Readonly<Record<string, unknown>>,
  onWarning: CallOptions['onWarning'],
): void {
  const check = validateArguments(tool.inputSchema, args);
  if (check.valid === false) {
    throw new LoomsError('arguments-invalid', `the arguments do not fit tool ${tool.name}`, {
      detail: check.problems,
      hint: `looms mcp tools ${server} ${tool.name} shows what it takes`,
    });
  }
  if (check.valid === 'unknown') onWarning({ code: 'schema-unusable', message: check.warning });
}

/** The engine's id for the audit trail; a call does not fail because it is not known. */
async function engineId(ports: Ports, signal: AbortSignal | undefined): Promise<string> {
  try {
    return (await (await ports.engine()).describe(signal === undefined ? {} : { signal })).id;
  } catch {
    return '';
  }
}

/**
 * Calls a tool of a running server: arguments are checked against its input schema before, the call is bounded by the
 * spec's `execution_timeout_seconds`, written to the audit trail and counted against `max_executions`. A result with
 * `isError` is a result. Throws `tool-not-found`, `arguments-invalid`, `call-timeout`, `json-rpc-error`,
 * `server-exited`, and what `openServer` throws.
 */
export async function callTool(ports: Ports, request: CallRequest, options: CallOptions): Promise<CallOutcome> {
  const { project, server, tool: name } = request;
  const bounds = options.signal === undefined ? {} : { signal: options.signal };
  // Asked beside the opening, which takes longer.
  const askedEngine = engineId(ports, options.signal);
  const { session, spec, container, generation } = await openServer(ports, project, server, options);
  try {
    const { protocolVersion } = session;
    const target = { project, server, generation, container, engine: await askedEngine, protocolVersion, tool: name };
    const { tool, args } = await recordRefusal(ports, target, options.onWarning, async () => {
      const found = await session.findTool(name, bounds);
      const read = await readArguments(ports, request.arguments, found);
      checkArguments(server, found, read, options.onWarning);
      return { tool: found, args: read };
    });
    const timeoutMs = spec.limits.executionTimeoutSeconds * 1000;
    const call = { ...target, timeoutMs, arguments: args, keepArguments: request.auditArguments };
    const result = await recordCall(ports, call, options.onWarning, () =>
      session.callTool(tool.name, args, {
        timeoutMs,
        ...bounds,
        ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      }),
    );
    return { result, text: contentToText(result) };
  } finally {
    await session.close();
  }
}
