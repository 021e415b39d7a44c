import type { SessionOptions, Tool } from '../mcp/session.ts';
import { toolSignature } from '../mcp/signature.ts';
import type { ProjectName, ServerName } from '../model/ids.ts';
import { openServer } from './open-server.ts';
import type { Ports } from './ports.ts';

export type ToolList = {
  readonly server: ServerName;
  readonly tools: readonly Tool[];
  /** Each tool as one line with its arguments, by name. */
  readonly signatures: Readonly<Record<string, string>>;
  /** Names in the spec's filter that the server does not have. */
  readonly unknownFilterNames: readonly string[];
};

/**
 * The tools of a running server that its filter lets through, sorted by name; all, or the one named.
 * Throws what `openServer` throws, and `tool-not-found` with the nearest name.
 */
export async function listTools(
  ports: Ports,
  request: { readonly project: ProjectName; readonly server: ServerName; readonly tool?: string },
  options: SessionOptions = {},
): Promise<ToolList> {
  const { session } = await openServer(ports, request.project, request.server, options);
  const bounds = options.signal === undefined ? {} : { signal: options.signal };
  try {
    const listed = await session.listTools(bounds);
    const signatures = Object.fromEntries(listed.tools.map((one) => [one.name, toolSignature(one)]));
    const tools = request.tool === undefined ? listed.tools : [await session.findTool(request.tool, bounds)];
    return { ...listed, server: request.server, tools, signatures };
  } finally {
    await session.close();
  }
}
