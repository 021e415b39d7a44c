import type { Env, McpSpec, NetworkMode, ToolFilter } from '../model/desired.ts';
import type { McpInput } from './input.ts';
import { transportOf } from './network.ts';
import { type Reader, sortedRecord } from './reader.ts';
import { childPath } from './tree.ts';

/** The MCP half of a spec, `at` being the path where it stands. */
export function mcpOf(reader: Reader, mcp: McpInput, at: string, mode: NetworkMode): McpSpec {
  return {
    transport: transportOf(reader, mcp, at, mode),
    ...(mcp.command === undefined ? {} : { command: mcp.command }),
    args: mcp.args ?? [],
    env: envOf(reader, `${at}.env`, mcp.env ?? {}),
    envFrom: [...new Set(mcp.env_from ?? [])].toSorted(),
    timeoutSeconds: mcp.timeout_seconds ?? 30,
    protocol: mcp.protocol ?? 'legacy',
    tools: toolsOf(reader, mcp, `${at}.tools`),
  };
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
