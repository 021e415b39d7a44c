import type { Check, Diagnosis } from '../../app/inspect/diagnose.ts';
import type { EngineAttempt } from '../../orchestrator/port.ts';
import type { Palette } from '../terminal/palette.ts';
import { padEnd, visible } from './text.ts';

const marks = { ok: ['✓', 'good'], warning: ['!', 'warning'], failed: ['✗', 'error'] } as const;

function markOf(status: Check['status'], palette: Palette): string {
  const [mark, paint] = marks[status];
  return palette[paint](mark);
}

const outcomeText: Readonly<Record<EngineAttempt['outcome'], string>> = {
  chosen: 'chosen',
  'not-set': 'not set',
  absent: 'not there',
  refused: 'no answer',
  'not-needed': 'not needed',
};

/** What doctor found: a line a check with its hint, then where an engine was looked for. */
export function renderDiagnosis({ checks, tried }: Diagnosis, palette: Palette): string {
  const nameWidth = Math.max(0, ...checks.map(({ name }) => name.length));
  // Once one answered, the places behind it were not looked at: their names would only bury the one that counts.
  const looked = tried.filter(({ outcome }) => outcome !== 'not-needed');
  const originWidth = Math.max(0, ...looked.map(({ origin }) => origin.length));
  const outcomeWidth = Math.max(...Object.values(outcomeText).map((text) => text.length));
  return [
    ...checks.flatMap(({ name, status, detail, hint }) => [
      `${markOf(status, palette)} ${palette.strong(padEnd(name, nameWidth))}  ${visible(detail)}`,
      ...(hint === undefined ? [] : [`${' '.repeat(nameWidth + 4)}${palette.note('hint')}: ${visible(hint)}`]),
    ]),
    '',
    palette.strong('where an engine was looked for'),
    ...looked.map(({ origin, outcome, url, detail }) => {
      const line = `  ${padEnd(origin, originWidth)}  ${padEnd(outcomeText[outcome], outcomeWidth)}  ${[
        url,
        detail === outcomeText[outcome] ? undefined : detail,
      ]
        .filter((text) => text !== undefined)
        .map(visible)
        .join('  ')}`;
      return outcome === 'chosen' ? palette.good(line.trimEnd()) : palette.quiet(line.trimEnd());
    }),
  ].join('\n');
}
