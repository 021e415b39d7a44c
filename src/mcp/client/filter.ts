import type { ToolFilter } from '../../model/desired.ts';

/** Whether a client may see and call this tool: named by `include` when there is one, and not by `exclude`. */
export function isAllowed(filter: ToolFilter, tool: string): boolean {
  if (filter.exclude.includes(tool)) return false;
  return filter.include === undefined || filter.include.includes(tool);
}

/** The tools that a client may see, in the order given. */
export function filterTools<T extends { readonly name: string }>(
  filter: ToolFilter,
  tools: readonly T[],
): readonly T[] {
  return tools.filter((tool) => isAllowed(filter, tool.name));
}

/** Names in the filter that the server does not have (a warning: docs/spec.md, `tools`), sorted, each once. */
export function unknownFilterNames(filter: ToolFilter, tools: readonly { readonly name: string }[]): readonly string[] {
  const known = new Set(tools.map((tool) => tool.name));
  const named = new Set([...(filter.include ?? []), ...filter.exclude]);
  return [...named].filter((name) => !known.has(name)).sort();
}
