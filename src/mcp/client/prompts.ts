import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { nearest } from '../../model/values/nearest.ts';
import type { Schema } from './arguments/schema.ts';
import { identified, listAll, type Requester } from './requests.ts';
import type { AskOptions, Prompt, PromptList, PromptResult, Session } from './session.ts';

/** The part of a session that is about prompts. */
export function promptsOf(requester: Requester): Pick<Session, 'listPrompts' | 'findPrompt' | 'getPrompt'> {
  const { server } = requester;

  const list = async (signal?: AbortSignal): Promise<PromptList> => {
    if (!requester.offers('prompts')) return { offered: false, prompts: [] };
    const prompts = await listAll(requester, 'prompts/list', 'prompts', signal);
    return { offered: true, prompts: identified(prompts, 'name', { server, what: 'prompt' }) };
  };

  const find = async (name: string, signal?: AbortSignal): Promise<Prompt> => {
    const { offered, prompts } = await list(signal);
    if (!offered) throw new LoomsError('prompt-not-found', `${server} offers no prompts`);
    const prompt = prompts.find((candidate) => candidate.name === name);
    if (prompt !== undefined) return prompt;
    const names = prompts.map((candidate) => candidate.name);
    const near = nearest(name, names);
    const shown = `${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : '.'}`;
    throw new LoomsError('prompt-not-found', `${server} has no prompt ${JSON.stringify(name)}`, {
      hint:
        near !== undefined ? `did you mean ${near}?` : names.length === 0 ? 'It has no prompts.' : `It has: ${shown}`,
    });
  };

  const get = async (
    name: string,
    args: Readonly<Record<string, string>>,
    { timeoutMs, signal }: AskOptions,
  ): Promise<PromptResult> => {
    const bounds = { phase: { request: `prompts/get of ${name}` }, timeoutMs, signal };
    const result = await requester.request('prompts/get', { name, arguments: { ...args } }, bounds);
    return { ...result, messages: Array.isArray(result.messages) ? result.messages.filter(isRecord) : [] };
  };

  return {
    listPrompts: (options = {}) => list(options.signal),
    findPrompt: (name, options = {}) => find(name, options.signal),
    getPrompt: get,
  };
}

/** What a prompt takes, one by one; what is no argument by its form is left out. */
export const promptArguments = (
  prompt: Pick<Prompt, 'arguments'>,
): readonly { readonly name: string; readonly required: boolean; readonly description?: string }[] =>
  (Array.isArray(prompt.arguments) ? prompt.arguments : []).filter(isRecord).flatMap((one) =>
    typeof one.name !== 'string'
      ? []
      : [
          {
            name: one.name,
            required: one.required === true,
            ...(typeof one.description === 'string' ? { description: one.description } : {}),
          },
        ],
  );

/** The same as an input schema, by which words become arguments: all are texts (MCP, prompts/get), no others exist. */
export function promptSchema(prompt: Pick<Prompt, 'arguments'>): Schema {
  const all = promptArguments(prompt);
  return {
    type: 'object',
    properties: Object.fromEntries(all.map(({ name }) => [name, { type: 'string' }])),
    required: all.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false,
  };
}
