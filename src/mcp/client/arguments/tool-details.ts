import { isRecord } from '../../../model/values/is-record.ts';
import type { Tool } from '../session.ts';
import { isSchema, propertiesOf, requiredOf, typeText } from './schema.ts';
import { type SchemaRow, schemaRows } from './schema-rows.ts';
import { exampleWords } from './tool-example.ts';

/** Everything about one tool that a person wants to read before calling it. */
export type ToolDetails = {
  /** What the server says the tool does to the world: hints, not promises (MCP, ToolAnnotations). */
  readonly hints: readonly string[];
  readonly arguments: readonly SchemaRow[];
  /** What its structured content holds; absent when it says nothing of that. */
  readonly output?: readonly SchemaRow[];
  /** Words of a call that gives what is required. */
  readonly example: readonly string[];
};

/** What a tool's schemas and annotations say, for people. */
export function toolDetails(tool: Tool): ToolDetails {
  return {
    hints: hintsOf(tool.annotations),
    arguments: schemaRows(tool.inputSchema),
    ...(isSchema(tool.outputSchema) ? { output: schemaRows(tool.outputSchema) } : {}),
    example: exampleWords(tool.inputSchema),
  };
}

/** Only what the server states: MCP's defaults for hints that are left out assume the worst and would be said of most. */
function hintsOf(annotations: unknown): readonly string[] {
  if (!isRecord(annotations)) return [];
  const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = annotations;
  // The next two mean something only for a tool that is not read-only.
  const changes = readOnlyHint !== true;
  return [
    readOnlyHint === true ? 'read-only' : undefined,
    changes && destructiveHint === true ? 'destructive' : undefined,
    changes && destructiveHint === false ? 'not destructive' : undefined,
    changes && idempotentHint === true ? 'idempotent' : undefined,
    openWorldHint === true ? 'reaches the outside' : undefined,
  ].filter((hint) => hint !== undefined);
}

/** A tool as one line, required arguments first: `read_text_file(path: string, head?: number)`. */
export function toolSignature(tool: Pick<Tool, 'name' | 'inputSchema'>): string {
  const root = tool.inputSchema;
  const required = new Set(requiredOf(root, root));
  const all = Object.entries(propertiesOf(root, root)).map(([name, schema]) => ({
    required: required.has(name),
    text: `${name}${required.has(name) ? '' : '?'}: ${typeText(schema, root)}`,
  }));
  const ordered = [...all.filter((argument) => argument.required), ...all.filter((argument) => !argument.required)];
  return `${tool.name}(${ordered.map((argument) => argument.text).join(', ')})`;
}
