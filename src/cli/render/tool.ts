import type { SchemaRow, ToolList } from '../../app/talk/list-tools.ts';
import type { Palette } from '../palette.ts';
import { quoted } from './shell.ts';
import { type Cell, renderTable } from './table.ts';
import { displayWidth, listed, truncate, unwrapped, visible, visibleLines, wrap } from './text.ts';

export type ToolOptions = { readonly palette: Palette; readonly width: number };

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
