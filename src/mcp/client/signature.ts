import { propertiesOf, requiredOf, typeText } from './schema.ts';
import type { Tool } from './session.ts';

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
