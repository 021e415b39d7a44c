import { isAllowed } from '../mcp/client/filter.ts';
import type { ToolFilter } from '../model/desired.ts';
import { isRecord } from '../model/values/is-record.ts';
import { paramsOf, withResult } from './messages/message.ts';
import type { Message } from './messages/protocol.ts';

const filters = ({ include, exclude }: ToolFilter): boolean => include !== undefined || exclude.length > 0;

const nameOf = (tool: unknown): string => (isRecord(tool) && typeof tool.name === 'string' ? tool.name : '');

/** Those of a server's tools that a client may see. */
export const shownTools = (filter: ToolFilter, tools: readonly unknown[]): readonly unknown[] =>
  tools.filter((tool) => isAllowed(filter, nameOf(tool)));

/** The text of an answer to `tools/list`, without the tools that a client may not see; a list of one's own is private. */
export function filteredTools(filter: ToolFilter, text: string): string {
  if (!filters(filter)) return text;
  return withResult(text, ({ tools, ...rest }) => ({
    ...rest,
    ...(Array.isArray(tools) ? { tools: shownTools(filter, tools) } : {}),
    ...(rest.cacheScope === undefined ? {} : { cacheScope: 'private' }),
  }));
}

/**
 * Why this `tools/call` is not sent, or undefined. A second spelling of `name` could be the one that the server reads.
 */
export function whyRefused(filter: ToolFilter, message: Message): string | undefined {
  const params = paramsOf(message);
  if (typeof params.name !== 'string') return 'tools/call without the name of a tool';
  if (Object.keys(params).some((key) => key !== 'name' && key.toLowerCase() === 'name')) {
    return 'tools/call with more than one name';
  }
  return isAllowed(filter, params.name) ? undefined : `Unknown tool: ${params.name}`;
}
