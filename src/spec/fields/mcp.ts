import { type Env, type McpSpec, mcpFields, type NetworkMode, type ToolFilter } from '../../model/desired.ts';
import { plainOf } from '../../model/fields.ts';
import { hideCredentials } from '../../model/secrets/hide-credentials.ts';
import { type Reader, sortedRecord } from '../read/reader.ts';
import { childPath } from '../read/tree.ts';
import { shorten } from '../read/words.ts';
import type { McpInput } from './input.ts';
import { transportOf } from './network.ts';

/** The MCP half of a spec, `at` being the path where it stands. */
export function mcpOf(reader: Reader, mcp: McpInput, at: string, mode: NetworkMode): McpSpec {
  if (mcp.command !== undefined) commandIsOneProgram(reader, mcp.command, mcp.args ?? [], `${at}.command`);
  return {
    ...plainOf(mcpFields, mcp),
    transport: transportOf(reader, mcp, at, mode),
    env: envOf(reader, `${at}.env`, mcp.env ?? {}),
    envFrom: [...new Set(mcp.env_from ?? [])].toSorted(),
    tools: toolsOf(reader, mcp, `${at}.tools`),
  };
}

/** A whole command line in `command` would be looked up as one program of that name, which no image has. */
function commandIsOneProgram(reader: Reader, command: string, args: readonly string[], path: string): void {
  // A path may have spaces (`/opt/My Tools/serve`); one with options after it is a command line all the same.
  if (!/\s/.test(command.trim()) || (command.startsWith('/') && !command.includes(' -'))) return;
  const [program = '', ...words] = command.trim().split(/\s+/).map(hideCredentials);
  // Words in quotes would need a shell's rules to be told apart.
  const plain = !/["'\\]/.test(command);
  const list = [...words, ...args.map(hideCredentials)].map((word) => JSON.stringify(word)).join(', ');
  reader.report({
    severity: 'warning',
    code: 'command-has-spaces',
    path,
    message: `${JSON.stringify(shorten(command))}: command is one program, never a shell line`,
    hint: plain
      ? `put arguments into args: command: ${program}, args: [${list}]`
      : `put arguments into args, one an entry: command: ${program}`,
  });
}

/** An environment with its references, by the values that were found while the document was walked. */
export function envOf(reader: Reader, at: string, values: Readonly<Record<string, string>>): Env {
  const entries = Object.keys(values).flatMap((name) => {
    const value = reader.variable(childPath(at, name));
    return value === undefined ? [] : [[name, value] as const];
  });
  return sortedRecord(Object.fromEntries(entries));
}

function toolsOf(reader: Reader, mcp: McpInput, at: string): ToolFilter {
  const { all, include, exclude = [] } = mcp.tools ?? {};
  if (all === true && include !== undefined) {
    reader.report({
      code: 'conflict',
      path: `${at}.all`,
      onKey: true,
      message: 'all: true and include contradict one another',
      hint: 'keep one of them',
      related: [{ path: `${at}.include`, message: 'include is here' }],
    });
  }
  if (all === false && !reader.has(`${at}.include`)) {
    reader.report({
      code: 'conflict',
      path: `${at}.all`,
      onKey: true,
      message: 'all: false needs include',
      hint: 'list the tools that clients may call under include',
    });
  }
  const names = (list: readonly string[]): readonly string[] => [...new Set(list)].toSorted();
  return { ...(include === undefined ? {} : { include: names(include) }), exclude: names(exclude) };
}
