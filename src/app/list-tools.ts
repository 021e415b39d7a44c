import type { SessionOptions, Tool } from '../mcp/session.ts';
import { toolSignature } from '../mcp/signature.ts';
import { LoomsError } from '../model/errors.ts';
import type { ProjectName, ServerName } from '../model/ids.ts';
import { nearest } from '../spec/nearest.ts';
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
  try {
    const listed = await session.listTools(options.signal === undefined ? {} : { signal: options.signal });
    const { tool } = request;
    const signatures = Object.fromEntries(listed.tools.map((one) => [one.name, toolSignature(one)]));
    if (tool === undefined) return { server: request.server, ...listed, signatures };
    const found = listed.tools.filter((one) => one.name === tool);
    if (found.length > 0) return { ...listed, server: request.server, tools: found, signatures };
    const near = nearest(
      tool,
      listed.tools.map((one) => one.name),
    );
    const hint = near === undefined ? `looms mcp tools ${request.server} lists its tools` : `did you mean ${near}?`;
    throw new LoomsError('tool-not-found', `server ${request.server} has no tool ${tool}`, { hint });
  } finally {
    await session.close();
  }
}
