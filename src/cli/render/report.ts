import type { ApplyReport, ServerOutcome } from '../../app/apply-plan.ts';
import { assertNever } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import type { Palette } from '../palette.ts';
import { renderFailure } from './error.ts';
import { describeStep } from './steps.ts';
import { duration, padEnd, visible } from './text.ts';

export type ReportOptions = {
  readonly palette: Palette;
  /** Of the whole run, ms. */
  readonly elapsedMs: number;
  readonly millisecondsOf: (server: string) => number | undefined;
};

function describeOutcome({ outcome }: ServerOutcome, action: string, palette: Palette): { mark: string; text: string } {
  switch (outcome) {
    case 'done':
      return { mark: palette.good('✓'), text: action };
    case 'unchanged':
      return { mark: ' ', text: palette.quiet('unchanged') };
    case 'gate-failed':
      return { mark: palette.error('✗'), text: palette.error('did not pass its gate') };
    case 'failed':
      return { mark: palette.error('✗'), text: palette.error('failed') };
    case 'blocked':
      return { mark: palette.blocked('!'), text: palette.blocked('blocked') };
    case 'interrupted':
      return { mark: palette.warning('…'), text: palette.warning('not finished') };
    default:
      return assertNever(outcome);
  }
}

const pastTense: Readonly<Record<ApplyReport['plan']['changes'][number]['action'], string>> = {
  unchanged: 'unchanged',
  create: 'created',
  replace: 'replaced',
  start: 'started',
  stop: 'stopped',
  rename: 'renamed',
  'clean-up': 'cleaned up',
  remove: 'removed',
  blocked: 'blocked',
};

/** `2 done, 1 failed, 47 unchanged`; only what occurred. */
function describeTotals(servers: readonly ServerOutcome[]): string {
  const kinds = [
    ['done', 'done'],
    ['gate-failed', 'failed their gate'],
    ['failed', 'failed'],
    ['blocked', 'blocked'],
    ['interrupted', 'not finished'],
    ['unchanged', 'unchanged'],
  ] as const;
  return kinds
    .flatMap(([outcome, word]) => {
      const count = servers.filter((server) => server.outcome === outcome).length;
      if (count === 0) return [];
      return [`${count} ${outcome === 'gate-failed' && count === 1 ? 'failed its gate' : word}`];
    })
    .join(', ');
}

/** What an execution did: a line a server, what failed with its output and what to do about it, and the totals. */
export function renderReport(report: ApplyReport, { palette, elapsedMs, millisecondsOf }: ReportOptions): string {
  const actions = new Map(report.plan.changes.map((change) => [change.server, pastTense[change.action]]));
  const touched = report.servers.filter(({ outcome }) => outcome !== 'unchanged');
  const nameWidth = Math.max(0, ...touched.map(({ server }) => server.length));
  const lines = touched.map((one) => {
    const { mark, text } = describeOutcome(one, actions.get(one.server) ?? 'done', palette);
    const milliseconds = millisecondsOf(one.server);
    const took = milliseconds === undefined ? '' : palette.quiet(`  ${duration(milliseconds)}`);
    return `${mark} ${palette.strong(padEnd(one.server, nameWidth))}  ${text}${took}${gateNote(report, one.server, palette)}`;
  });
  const failure = (title: string, what: Failure) => ['', palette.strong(title), renderFailure(what, palette, '  ')];
  const steps = new Map(report.plan.steps.map((step) => [step.id, step]));
  const supportTexts = new Set(report.support.map((one) => one.failure.message));
  return [
    ...lines,
    ...report.support.flatMap(({ step, failure: what }) => {
      const planned = steps.get(step);
      return failure(planned === undefined ? step : describeStep(planned), what);
    }),
    ...report.servers.flatMap(({ server, failure: what }) =>
      // What stands behind several servers and failed is shown once, not again under each of them.
      what === undefined || supportTexts.has(what.message) ? [] : failure(server, what),
    ),
    ...(report.notices.length > 0
      ? ['', ...report.notices.map((notice) => `${palette.note('note')}: ${visible(notice)}`)]
      : []),
    '',
    `${describeTotals(report.servers) || 'done'} ${palette.quiet(`in ${duration(elapsedMs)}`)}`,
  ].join('\n');
}

/** What the gate of a server found: `13 tools in 620 ms`. */
function gateNote(report: ApplyReport, server: string, palette: Palette): string {
  for (const step of report.plan.steps) {
    const result = step.op === 'gate' && step.server === server ? report.results[step.id] : undefined;
    if (result?.result === 'ok' && result.note !== undefined) return palette.quiet(`  ${visible(result.note)}`);
  }
  return '';
}
