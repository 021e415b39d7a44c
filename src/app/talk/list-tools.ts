import { type ToolDetails, toolDetails, toolSignature } from '../../mcp/client/arguments/tool-details.ts';
import type { Tool } from '../../mcp/client/session.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Ports } from '../ports.ts';
import { type OfServer, onServer, type TalkOptions } from './open-server.ts';

export type { SchemaRow } from '../../mcp/client/arguments/schema-rows.ts';

export type ToolList = {
  readonly server: ServerName;
  readonly tools: readonly Tool[];
  /** Each tool as one line with its arguments, by name. */
  readonly signatures: Readonly<Record<string, string>>;
  /** What there is to say about the one tool that was named. */
  readonly details?: ToolDetails;
  /** Names in the spec's filter that the server does not have. */
  readonly unknownFilterNames: readonly string[];
};

/** The tools that a server's filter lets through; all, or the one named. Throws as `openServer`, `tool-not-found`. */
export async function listTools(
  ports: Ports,
  request: OfServer & { readonly tool?: string },
  options: TalkOptions = {},
): Promise<ToolList> {
  return onServer(ports, request, options, async ({ session }) => {
    const listed = await session.listTools(options);
    const signatures = Object.fromEntries(listed.tools.map((one) => [one.name, toolSignature(one)]));
    const all = { ...listed, server: request.server, signatures };
    if (request.tool === undefined) return all;
    const tool = await session.findTool(request.tool, options);
    return { ...all, tools: [tool], details: toolDetails(tool) };
  });
}
