import { promptArguments } from '../../mcp/client/prompts.ts';
import type { Prompt } from '../../mcp/client/session.ts';
import type { Ports } from '../ports.ts';
import { type OfServer, onServer, type TalkOptions } from './open-server.ts';

type PromptArgument = { readonly name: string; readonly required: boolean; readonly description?: string };

export type ListedPrompts = {
  /** Whether the server has this capability at all. */
  readonly offered: boolean;
  readonly prompts: readonly Prompt[];
  /** What each prompt takes, in their order. */
  readonly arguments: readonly (readonly PromptArgument[])[];
};

/** The prompts of a running server, all pages, sorted by name. Throws what `openServer` throws. */
export async function listPrompts(ports: Ports, request: OfServer, options: TalkOptions = {}): Promise<ListedPrompts> {
  return onServer(ports, request, options, async ({ session }) => {
    const listed = await session.listPrompts(options);
    return { ...listed, arguments: listed.prompts.map(promptArguments) };
  });
}
