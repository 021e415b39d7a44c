import type { ToolList } from '../../app/list-tools.ts';
import type { Palette } from '../palette.ts';
import { padEnd, truncate, visible } from './text.ts';

export type ToolsOptions = {
  readonly palette: Palette;
  readonly width: number;
  /** One tool with its whole description and its schemas, instead of a line a tool. */
  readonly full: boolean;
};

/** Signatures longer than this push their descriptions to a line of their own. */
const widestSignature = 48;

const firstLine = (text: string): string => visible(text).trim().split('\n')[0] ?? '';

/** Tools with their one-line signatures and the first line of what they say about themselves. */
export function renderTools({ tools, signatures }: ToolList, { palette, width, full }: ToolsOptions): string {
  const signatureOf = (name: string): string => visible(signatures[name] ?? name);
  if (full) {
    return tools
      .map((tool) =>
        [
          palette.strong(signatureOf(tool.name)),
          ...(tool.description === undefined ? [] : ['', visible(tool.description).trim()]),
          '',
          JSON.stringify(tool.inputSchema, null, 2),
        ].join('\n'),
      )
      .join('\n\n');
  }
  const column = Math.min(widestSignature, Math.max(0, ...tools.map((tool) => signatureOf(tool.name).length)));
  return tools
    .map((tool) => {
      const signature = signatureOf(tool.name);
      const name = signature.startsWith(tool.name) ? visible(tool.name) : signature;
      const shown = palette.strong(name) + signature.slice(name.length);
      const description = tool.description === undefined ? '' : firstLine(tool.description);
      if (description === '') return shown;
      if (signature.length > widestSignature) {
        return `${shown}\n${' '.repeat(column + 2)}${palette.quiet(truncate(description, Math.max(24, width - column - 2)))}`;
      }
      const padding = ' '.repeat(padEnd(signature, column).length - signature.length + 2);
      return shown + padding + palette.quiet(truncate(description, Math.max(24, width - column - 2)));
    })
    .join('\n');
}
