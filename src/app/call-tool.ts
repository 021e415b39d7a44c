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
};

export type CallOptions = SessionOptions & {
  readonly onProgress?: (progress: CallProgress) => void;
};

export type CallWarning = { readonly code: 'schema-unusable' | 'not-counted'; readonly message: string };

export type CallOutcome = {
  readonly result: CallResult;
  /** The result for people: its text, other content named. */
  readonly text: string;
  /** Things worth saying that did not stop the call. */
  readonly warnings: readonly CallWarning[];
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

function checkArguments(server: ServerName, tool: Tool, args: Readonly<Record<string, unknown>>): CallWarning[] {
  const check = validateArguments(tool.inputSchema, args);
  if (check.valid === true) return [];
  if (check.valid === 'unknown') return [{ code: 'schema-unusable', message: check.warning }];
  throw new LoomsError('arguments-invalid', `the arguments do not fit tool ${tool.name}`, {
    detail: check.problems,
    hint: `looms mcp tools ${server} ${tool.name} shows what it takes`,
  });
}

/**
 * Calls a tool of a running server: arguments are checked against its input schema before, the call is bounded by the
 * spec's `execution_timeout_seconds`, and counted against `max_executions`. A result with `isError` is a result.
 * Throws `tool-not-found`, `arguments-invalid`, `call-timeout`, `json-rpc-error`, `server-exited`, and what `openServer`
 * throws.
 */
export async function callTool(ports: Ports, request: CallRequest, options: CallOptions): Promise<CallOutcome> {
  const { session, spec, container } = await openServer(ports, request.project, request.server, options);
  try {
    const tool = await session.findTool(request.tool, options.signal === undefined ? {} : { signal: options.signal });
    const args = await readArguments(ports, request.arguments, tool);
    const warnings = checkArguments(request.server, tool, args);
    const counted = await ports.countExecution(container);
    if (!counted.counted) warnings.push({ code: 'not-counted', message: `this call was not counted: ${counted.why}` });
    const result = await session.callTool(tool.name, args, {
      timeoutMs: spec.limits.executionTimeoutSeconds * 1000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    });
    return { result, text: contentToText(result), warnings };
  } finally {
    await session.close();
  }
}
