import type { ToolList } from '../../app/talk/list-tools.ts';
import type { Palette } from '../palette.ts';
import { displayWidth, padEnd, truncate, visible, visibleLines } from './text.ts';

export type ToolsOptions = {
  readonly palette: Palette;
  /** Columns to keep within; undefined where nobody looks, and lines may be as long as they are. */
  readonly width: number | undefined;
};

/** The most of a terminal's width that signatures take, so that what the tools say of themselves is seen too. */
const signatureShare = 0.55;
/** Where nothing is cut, longer signatures do not push the descriptions of all others away. */
const widestColumn = 60;

const firstLine = (text: string): string => visibleLines(text).trim().split('\n')[0] ?? '';

/** One line a tool: its signature, and the first line of what it says about itself, each cut to its share of the width. */
export function renderTools({ tools, signatures }: ToolList, { palette, width }: ToolsOptions): string {
  const most = width === undefined ? widestColumn : Math.max(24, Math.floor(width * signatureShare));
  const lines = tools.map((tool) => {
    const signature = visible(signatures[tool.name] ?? tool.name);
    return {
      name: visible(tool.name),
      signature: width === undefined ? signature : truncate(signature, most),
      description: typeof tool.description === 'string' ? firstLine(tool.description) : '',
    };
  });
  const column = Math.min(most, Math.max(0, ...lines.map(({ signature }) => displayWidth(signature))));
  return lines
    .map(({ name, signature, description }) => {
      const shown = (text: string): string =>
        text.startsWith(name) ? palette.strong(name) + text.slice(name.length) : palette.strong(text);
      if (description === '') return shown(signature);
      const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(16, width - column - 2);
      return `${shown(padEnd(signature, column))}  ${palette.quiet(truncate(description, room))}`;
    })
    .join('\n');
}
