import { LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import { serverName } from './args.ts';

/** A tool of a server, and the words behind it. */
type ToolWords<T extends string | undefined = string> = {
  readonly server: ServerName;
  readonly tool: T;
  readonly rest: readonly string[];
};

/** `NAME TOOL …` or `NAME.TOOL …`: a server's name has no dot, a tool's may. Throws `usage` for a bad name. */
export function optionalToolWords(words: readonly string[]): ToolWords<string | undefined> {
  const [first = '', ...others] = words;
  const dot = first.indexOf('.');
  if (dot > 0 && dot < first.length - 1) {
    return { server: serverName(first.slice(0, dot)), tool: first.slice(dot + 1), rest: others };
  }
  const [tool, ...rest] = others;
  return { server: serverName(first), tool, rest };
}

/** The same where a tool must be named; `command` is the command's name. */
export function toolWords(words: readonly string[], command: string): ToolWords {
  const { server, tool, rest } = optionalToolWords(words);
  if (tool !== undefined) return { server, tool, rest };
  throw new LoomsError('usage', `missing tool of ${server}`, {
    hint: `write ${command} ${server} TOOL, or ${command} ${server}.TOOL; \`looms mcp tools ${server}\` lists them`,
  });
}
