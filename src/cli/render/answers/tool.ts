import type { SchemaRow, ToolList } from '../../../app/talk/list-tools.ts';
import type { Palette } from '../../terminal/palette.ts';
import { type Cell, renderTable, type TableStyle } from '../table.ts';
import { displayWidth, listed, padEnd, truncate, unwrapped, visible, visibleLines, wrap } from '../text.ts';

type ToolOptions = { readonly palette: Palette; readonly width: number };

/** Longer lines are hard to read, also on a terminal that has room for them. */
const widestText = 100;
/** The least that a column of descriptions needs. */
const leastText = 24;
/** Types longer than this are cut: an argument that takes almost anything. */
const widestType = 28;

/** One tool with everything that it says about itself, and a call that it would take. */
export function renderTool({ server, tools, details }: ToolList, { palette, width }: ToolOptions): string {
  const [tool] = tools;
  if (tool === undefined || details === undefined) return '';
  const columns = Math.min(width, widestText);
  const title =
    typeof tool.title === 'string' && tool.title !== tool.name ? `  ${palette.quiet(visible(tool.title))}` : '';
  const description = typeof tool.description === 'string' ? visibleLines(tool.description).trim() : '';
  const example = ['looms', 'mcp', 'call', server, tool.name, ...details.example].map((word) => quoted(visible(word)));
  const sections = [
    palette.strong(visible(tool.name)) + title,
    // Behind an indent: a server's words about a tool must not look like a part of ours.
    description === ''
      ? ''
      : wrap(description, columns - 2)
          .map((line) => `  ${line}`.trimEnd())
          .join('\n'),
    details.hints.length === 0 ? '' : palette.quiet(`The server calls it ${listed(details.hints)}.`),
    details.arguments.length === 0
      ? palette.quiet('It takes no arguments.')
      : renderRows(['ARGUMENT', 'REQUIRED'], details.arguments, { palette, width: columns }),
    details.output === undefined || details.output.length === 0
      ? ''
      : renderRows(['ANSWER', 'ALWAYS'], details.output, { palette, width: columns }),
    `${palette.quiet('EXAMPLE')}\n${example.join(' ')}`,
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function renderRows(
  [header, requirement]: readonly [string, string],
  rows: readonly SchemaRow[],
  { palette, width }: ToolOptions,
): string {
  const widest = (cells: readonly string[]): number => Math.max(0, ...cells.map(displayWidth));
  const hasRequired = rows.some((row) => row.kind === 'property' && row.required);
  const headers = [header, 'TYPE', ...(hasRequired ? [requirement] : [])];
  const taken = [widest([header, ...rows.map(firstCell)]), widest(['TYPE', ...rows.map(typeOf)]), requirement.length];
  const before = headers.reduce((sum, _, column) => sum + (taken[column] ?? 0) + 2, 0);
  const room = Math.max(leastText, width - before);
  const blank = headers.map(() => '');
  const lines = rows.flatMap((row): readonly (readonly Cell[])[] => {
    if (row.kind === 'shape') return [[{ text: firstCell(row), paint: palette.quiet }]];
    const name: Cell = row.required ? { text: firstCell(row), paint: palette.strong } : firstCell(row);
    const [first = '', ...more] = textsOf(row, room, palette);
    const required = hasRequired ? [row.required ? 'yes' : ''] : [];
    return [[name, typeOf(row), ...required, first], ...more.map((cell) => [...blank, cell])];
  });
  const hasTexts = rows.some((row) => row.kind === 'property' && textsOf(row, room, palette).length > 0);
  return renderTable([...headers, ...(hasTexts ? ['DESCRIPTION'] : [])], lines, palette);
}

/** What is said about a property, then what is asked of it, line by line. */
function textsOf(row: Extract<SchemaRow, { kind: 'property' }>, room: number, palette: Palette): readonly Cell[] {
  const description = unwrapped(visibleLines(row.description ?? ''));
  const lines = description === '' ? [] : wrap(description, room);
  const notes = row.notes.flatMap((note) => wrap(visible(note), room));
  return [...lines, ...notes.map((text) => ({ text, paint: palette.quiet }))];
}

const indent = (depth: number): string => '  '.repeat(depth);

function firstCell(row: SchemaRow): string {
  if (row.kind === 'property') return indent(row.depth) + visible(row.name);
  return `${indent(row.depth)}${row.word}${row.title === undefined ? '' : ` ${visible(row.title)}`}`;
}

const typeOf = (row: SchemaRow): string => (row.kind === 'property' ? truncate(visible(row.type), widestType) : '');

/** A word as it must be typed into a POSIX shell: in single quotes where the shell would read more into it. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** The most of a terminal's width that signatures take, so that what the tools say of themselves is seen too. */
const signatureShare = 0.55;
/** Where nothing is cut, longer signatures do not push the descriptions of all others away. */
const widestColumn = 60;

const firstLine = (text: string): string => visibleLines(text).trim().split('\n')[0] ?? '';

/** One line a tool: its signature, and the first line of what it says about itself, each cut to its share of the width. */
export function renderTools({ tools, signatures }: ToolList, { palette, width }: TableStyle): string {
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
