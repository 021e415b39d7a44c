import type { Tool } from '../session.ts';
import { isSchema, type Schema } from './schema.ts';

/** Characters of an HTTP field name (RFC 9110, token). */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What may be mirrored: `number` is left out, since its text is not the same everywhere. */
const mirrored = new Set(['string', 'integer', 'boolean']);

/**
 * Why a tool cannot be called over HTTP from 2026-07-28 on, or undefined: its schema names headers that arguments are to
 * be mirrored into (`x-mcp-header`), and one of them is empty, no header name, used twice, or stands at something that
 * is no string, integer or boolean. Such a tool is left out, as the revision asks of clients.
 */
export function headerProblem({ inputSchema }: Pick<Tool, 'inputSchema'>): string | undefined {
  const seen = new Set<string>();
  for (const [path, schema] of annotated(inputSchema, '')) {
    const name = schema['x-mcp-header'];
    const says = (what: string) => `its argument ${path} has the x-mcp-header ${JSON.stringify(name)}, ${what}`;
    if (typeof name !== 'string' || !token.test(name)) return says('which is no header name');
    if (typeof schema.type !== 'string' || !mirrored.has(schema.type)) {
      return says('which only a string, an integer or a boolean can have');
    }
    if (seen.has(name.toLowerCase())) return says('which another one has too');
    seen.add(name.toLowerCase());
  }
  return undefined;
}

function annotated(schema: Schema, path: string, depth = 0): readonly (readonly [string, Schema])[] {
  if (!isSchema(schema.properties) || depth > 20) return [];
  return Object.entries(schema.properties).flatMap(([name, property]) => {
    if (!isSchema(property)) return [];
    const here = path === '' ? name : `${path}.${name}`;
    return [
      ...('x-mcp-header' in property ? [[here, property] as const] : []),
      ...annotated(property, here, depth + 1),
    ];
  });
}
