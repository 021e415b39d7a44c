import { type PromptMessage, promptMessages } from '../../mcp/client/answers/content.ts';
import { promptSchema } from '../../mcp/client/prompts.ts';
import type { PromptResult } from '../../mcp/client/session.ts';
import { plainText } from '../../model/values/exact-number.ts';
import type { Ports } from '../ports.ts';
import { type ArgumentSource, readArguments } from './call-arguments.ts';
import { type OfServer, onServer, type TalkOptions } from './open-server.ts';
import { prepareFolder, type SavedFile, saveParts } from './save-content.ts';

type PromptRequest = OfServer & {
  readonly prompt: string;
  readonly arguments: ArgumentSource;
  /** Folder for images, audio and embedded resources; made when it is not there. */
  readonly out?: string;
};

type PromptOutcome = {
  readonly result: PromptResult;
  /** The messages without what was saved. */
  readonly messages: readonly PromptMessage[];
  readonly saved: readonly SavedFile[];
};

/** Renders a prompt, arguments checked first. Throws as `openServer`, `prompt-not-found`, `arguments-invalid`. */
export async function getPrompt(
  ports: Ports,
  request: PromptRequest,
  options: TalkOptions = {},
): Promise<PromptOutcome> {
  const { signal } = options;
  return onServer(ports, request, options, async ({ session, spec }) => {
    const prompt = await session.findPrompt(request.prompt, { signal });
    const { args } = await readArguments(ports, request.arguments, {
      what: `prompt ${prompt.name}`,
      schema: promptSchema(prompt),
      shownBy: `looms mcp prompts ${request.server}`,
      signal,
    });
    if (request.out !== undefined) await prepareFolder(ports, request.out);
    const texts = Object.fromEntries(Object.entries(args).map(([name, value]) => [name, plainText(value)]));
    const result = await session.getPrompt(prompt.name, texts, {
      timeoutMs: spec.limits.executionTimeoutSeconds * 1000,
      signal,
    });
    const messages = promptMessages(result);
    if (request.out === undefined) return { result, messages, saved: [] };
    const saved: SavedFile[] = [];
    const left: PromptMessage[] = [];
    for (const { role, parts } of messages) {
      const kept = await saveParts(ports, request.out, prompt.name, parts);
      saved.push(...kept.saved);
      left.push({ role, parts: kept.left });
    }
    return { result, messages: left, saved };
  });
}
