import type { ListedPrompts } from '../../../app/talk/list-prompts.ts';
import type { ResourceList } from '../../../app/talk/list-resources.ts';
import { type Cell, renderTable, type TableStyle } from '../table.ts';
import { displayWidth, size, truncate, unwrapped, visible, visibleLines } from '../text.ts';

type Fields = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string => (typeof value === 'string' ? visible(value).trim() : '');

/** What a resource says about itself in one line: its title, and the first line of its description. */
function aboutOf({ title, name, description }: Fields): string {
  const called = textOf(title) || textOf(name);
  const [first = ''] = (typeof description === 'string' ? visibleLines(description).trim() : '').split('\n');
  return called !== '' && first !== '' && called !== first ? `${called}: ${first}` : called || first;
}

/** The least that a last column gets on a narrow terminal. */
const leastText = 16;

/** Cuts the last column so that the table fits. */
function fitting(headers: readonly string[], rows: readonly (readonly string[])[], width: number | undefined) {
  if (width === undefined) return rows;
  const last = headers.length - 1;
  const before = headers
    .slice(0, last)
    .reduce(
      (sum, header, column) =>
        sum + 2 + Math.max(...[header, ...rows.map((row) => row[column] ?? '')].map(displayWidth)),
      0,
    );
  const room = Math.max(leastText, width - before);
  return rows.map((row) => [...row.slice(0, last), truncate(row[last] ?? '', room)]);
}

/** Resources, then the templates of more, each as a table. Empty when there are none. */
export function renderResources(
  { resources, resourceTemplates }: ResourceList,
  { palette, width }: TableStyle,
): string {
  const tables: [string[], string[][]][] = [
    [
      ['URI', 'TYPE', 'SIZE', 'ABOUT'],
      resources.map((one) => [
        visible(one.uri),
        textOf(one.mimeType),
        typeof one.size === 'number' ? size(one.size) : '',
        aboutOf(one),
      ]),
    ],
    [
      ['TEMPLATE', 'TYPE', 'ABOUT'],
      resourceTemplates.map((one) => [visible(one.uriTemplate), textOf(one.mimeType), aboutOf(one)]),
    ],
  ];
  return tables
    .filter(([, rows]) => rows.length > 0)
    .map(([headers, rows]) => {
      // A column that no row fills says nothing.
      const used = headers.map((_, column) => column === 0 || rows.some((row) => row[column] !== ''));
      const keep = (cells: readonly string[]) => cells.filter((_, column) => used[column]);
      return renderTable(keep(headers), fitting(keep(headers), rows.map(keep), width), palette);
    })
    .join('\n\n');
}

/** Prompts with what they are about; below each, what it takes. Empty when there are none. */
export function renderPrompts({ prompts, arguments: taken }: ListedPrompts, { palette, width }: TableStyle): string {
  const names = taken.flat().map(({ name }) => displayWidth(visible(name)) + 2);
  const column = Math.max(0, ...names, ...prompts.map(({ name }) => displayWidth(visible(name))));
  const headers = ['PROMPT', 'REQUIRED', 'ABOUT'];
  const before = Math.max(column, 'PROMPT'.length) + 'REQUIRED'.length + 4;
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(leastText, width - before);
  const rows = prompts.flatMap((prompt, index): (readonly Cell[])[] => [
    [{ text: visible(prompt.name), paint: palette.strong }, '', truncate(aboutOf({ ...prompt, name: '' }), room)],
    ...(taken[index] ?? []).map((argument): readonly Cell[] => {
      const about = unwrapped(visibleLines(argument.description ?? '')).split('\n')[0] ?? '';
      return [`  ${visible(argument.name)}`, argument.required ? 'yes' : '', truncate(about, room)];
    }),
  ]);
  return rows.length === 0 ? '' : renderTable(headers, rows, palette);
}
