import type { Source } from '../../../model/desired.ts';
import type { Failure } from '../../../model/events.ts';
import type { StepId } from '../../../model/ids.ts';
import type { Plan } from '../../../model/plan.ts';
import { duration } from '../../../model/times.ts';
import type { ApplyReport, ServerOutcome } from '../../../orchestrator/port.ts';
import type { PaintName, Palette } from '../../terminal/palette.ts';
import { renderFailure, renderNotice } from '../error.ts';
import { displayed, displayWidth, listed, padEnd, shownFile, visible } from '../text.ts';
import { describeSupport } from './reasons.ts';

type ReportOptions = {
  readonly palette: Palette;
  /** Of the whole run, ms. */
  readonly elapsedMs: number;
  readonly millisecondsOf: (server: string) => number | undefined;
  /** Where each server is declared. */
  readonly sources: ReadonlyMap<string, Source>;
};

const outcomes: Readonly<Record<ServerOutcome['outcome'], readonly [mark: string, paint: PaintName, text?: string]>> = {
  done: ['✓', 'good'],
  unchanged: [' ', 'quiet', 'unchanged'],
  'gate-failed': ['✗', 'error', 'did not pass its gate; what served before still does'],
  'not-serving': ['✗', 'error', 'did not pass its gate; nothing serves'],
  failed: ['✗', 'error', 'failed'],
  blocked: ['!', 'blocked', 'blocked'],
  interrupted: ['…', 'warning', 'not finished'],
};

/** What became of a server, in a word or two. */
export const outcomeWords = (outcome: ServerOutcome['outcome']): string => outcomes[outcome][2] ?? outcome;

function describeOutcome({ outcome }: ServerOutcome, action: string, palette: Palette): { mark: string; text: string } {
  const [mark, paint, text] = outcomes[outcome];
  return { mark: palette[paint](mark), text: text === undefined ? action : palette[paint](text) };
}

const pastTense: Readonly<Record<ApplyReport['plan']['changes'][number]['action'], string>> = {
  unchanged: 'unchanged',
  create: 'created',
  replace: 'replaced',
  start: 'started',
  stop: 'stopped',
  rename: 'renamed',
  'clean-up': 'cleaned up',
  scale: 'scaled',
  remove: 'removed',
  blocked: 'blocked',
};

/** `2 done, 1 failed, 47 unchanged`; only what occurred. */
function describeTotals(servers: readonly ServerOutcome[]): string {
  const count = (...outcomes: readonly ServerOutcome['outcome'][]): number =>
    servers.filter(({ outcome }) => outcomes.includes(outcome)).length;
  const gates = count('gate-failed', 'not-serving');
  const totals = [
    [count('done'), 'done'],
    [gates, `failed ${gates === 1 ? 'its' : 'their'} gate`],
    [count('failed'), 'failed'],
    [count('blocked'), 'blocked'],
    [count('interrupted'), 'not finished'],
    [count('unchanged'), 'unchanged'],
  ] as const;
  return totals.flatMap(([number, word]) => (number === 0 ? [] : [`${number} ${word}`])).join(', ');
}

/** What an execution did: a line a server, what failed with its output and what to do about it, and the totals. */
export function renderReport(
  made: ApplyReport,
  { palette, elapsedMs, millisecondsOf, sources }: ReportOptions,
): string {
  const report = displayed(made, ['message', 'hint', 'detail']);
  const actions = new Map(report.plan.changes.map((change) => [change.server, pastTense[change.action]]));
  const touched = report.servers.filter(({ outcome }) => outcome !== 'unchanged');
  const nameWidth = Math.max(0, ...touched.map(({ server }) => server.length));
  const told = touched.map((one) => {
    const milliseconds = millisecondsOf(one.server);
    return {
      ...describeOutcome(one, actions.get(one.server) ?? 'done', palette),
      isDone: one.outcome === 'done',
      server: one.server,
      note: one.note ?? '',
      took: milliseconds === undefined ? '' : duration(milliseconds),
    };
  });
  const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(displayWidth));
  // What went wrong says more than a word, and stands out of line.
  const textWidth = widest(told.filter(({ isDone }) => isDone).map(({ text }) => text));
  const tookWidth = widest(told.map(({ took }) => took));
  const lines = told.map(({ mark, text, server, took, note }) => {
    const name = palette.strong(padEnd(server, nameWidth));
    const time = palette.quiet(padEnd(took, tookWidth));
    return `${mark} ${name}  ${padEnd(text, textWidth)}  ${time}${note === '' ? '' : palette.quiet(`  ${visible(note)}`)}`.trimEnd();
  });
  const failure = (title: string, what: Failure) => ['', palette.strong(title), renderFailure(what, palette, '  ')];
  const steps = new Map(report.plan.steps.map((step) => [step.id, step]));
  const supportTexts = new Set(report.support.map((one) => one.failure.message));
  return [
    ...lines,
    ...report.support.flatMap(({ step, failure: what }) => {
      const planned = steps.get(step);
      const waiting = serversBehind(report.plan, step).map((server) => place(server, sources));
      const title = planned === undefined ? step : visible(planned.text);
      return failure(waiting.length === 0 ? title : `${title}, for ${listed(waiting)}`, what);
    }),
    ...report.servers.flatMap(({ server, failure: what }) =>
      // What stands behind several servers and failed is shown once, not again under each of them.
      what === undefined || supportTexts.has(what.message) ? [] : failure(server, what),
    ),
    ...(report.notices.length > 0
      ? ['', ...report.notices.map((notice) => renderNotice('note', notice, palette))]
      : []),
    '',
    `${describeDone(report)} ${palette.quiet(`in ${duration(elapsedMs)}`)}`,
  ]
    .join('\n')
    .replace(/^\n+/, '');
}

/** Servers with a step that waits for another one, directly or through others; by name. */
function serversBehind(plan: Plan, step: StepId): string[] {
  const behind = new Set<StepId>([step]);
  // A step stands behind all those that it waits for, so one pass in the plan's order is not always enough.
  for (let before = 0; before !== behind.size; ) {
    before = behind.size;
    for (const { id, after } of plan.steps) if (after.some((one) => behind.has(one))) behind.add(id);
  }
  return [
    ...new Set(plan.steps.flatMap(({ id, server }) => (server !== undefined && behind.has(id) ? [server] : []))),
  ].sort();
}

function place(server: string, sources: ReadonlyMap<string, Source>): string {
  const source = sources.get(server);
  return source === undefined ? server : `${server} (${visible(shownFile(source.file))}:${source.line})`;
}

/** The totals; a run that touched no server says what else it did. */
function describeDone(report: ApplyReport): string {
  const touched = report.servers.some(({ outcome }) => outcome !== 'unchanged');
  const support = touched || report.outcome !== 'done' ? [] : describeSupport(report.plan, 'done');
  const totals = describeTotals(report.servers);
  return [...support, ...(totals === '' ? [] : [totals])].join(', ') || 'done';
}
