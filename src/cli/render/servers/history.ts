import type { Generation } from '../../../app/inspect/get-history.ts';
import type { GenerationOutcome } from '../../../model/engine.ts';
import { shortId } from '../../../model/ids.ts';
import type { FieldDifference } from '../../../model/plan.ts';
import { shownTime } from '../../../model/times.ts';
import type { PaintName, Palette } from '../../terminal/palette.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { fieldLines } from '../plan/plan-text.ts';
import { type Cell, renderTable } from '../table.ts';
import { truncate, visible } from '../text.ts';
import { paintOfState, shortImage, shortSource } from './servers.ts';

const outcomePaints: Readonly<Record<GenerationOutcome, PaintName>> = {
  replaced: 'quiet',
  rotated: 'quiet',
  repaired: 'quiet',
  'rolled-back': 'warning',
  deleted: 'warning',
  'gate-failed': 'error',
};

const isOutcome = (state: Generation['state']): state is GenerationOutcome => state in outcomePaints;

const stateCell = ({ state }: Generation, palette: Palette): Cell => ({
  text: state.replace('-', ' '),
  paint: isOutcome(state) ? palette[outcomePaints[state]] : paintOfState(state, palette),
});

/** The short digest says what ran, whatever a tag means by now; the tag of an image that looms built means one only. */
const digest = ({ image, imageId }: Generation): string =>
  image.startsWith('looms/') ? shortImage(image) : `${shortImage(image)} ${shortId(imageId)}`;

/** What it failed its gate with, below it. */
const failureLines = ({ failure }: Generation, palette: Palette): string[] => {
  const [first, ...output] = failure?.split('\n') ?? [];
  return first === undefined
    ? []
    : [`     ${palette.error(visible(first))}`, ...output.map((line) => palette.quiet(`       │ ${visible(line)}`))];
};

/** Why nothing can be done with it, below it. */
const unusableLines = ({ unusable }: Generation, palette: Palette): string[] =>
  unusable === null ? [] : [`     ${palette.error(`not usable: ${visible(unusable)}`)}`];

/** The longest value that is shown whole, in columns: what changed is told here, `--json` has all of it. */
const longestValue = 40;

const shortened = ({ path, from, to }: FieldDifference): FieldDifference => {
  const short = (value: string): string => truncate(value.replaceAll('\n', ' '), longestValue);
  return { path, from: short(from), to: short(to) };
};

/** The generations of a server as a table, newest first, each with what it changed below it. Times are UTC. */
export function renderHistory(
  generations: readonly Generation[],
  { palette, width, answerIsTerminal }: Pick<Terminal, 'palette' | 'width' | 'answerIsTerminal'>,
): string {
  const headers = ['GEN', 'STATE', 'SINCE', 'UNTIL', 'IMAGE', 'SOURCE'];
  const rows = generations.map((one): Cell[] => [
    { text: String(one.generation), paint: palette.strong },
    stateCell(one, palette),
    one.since === null ? '-' : shownTime(one.since),
    one.until === null ? '-' : shownTime(one.until),
    digest(one),
    shortSource(one.source ?? 'unknown'),
  ]);
  const [header = '', ...lines] = renderTable(headers, rows, palette, answerIsTerminal ? width : undefined).split('\n');
  const below = (one: Generation): string[] => [
    ...unusableLines(one, palette),
    ...failureLines(one, palette),
    ...(one.changes === null ? [] : fieldLines(one.changes.map(shortened), '     ', { palette, width })),
  ];
  return [header, ...generations.flatMap((one, index) => [lines[index] ?? '', ...below(one)])].join('\n');
}
