import type { Commits, LeftAlone, Told } from '../../app/watch/told.ts';
import { alertEndWords } from '../../model/alerts.ts';
import { assertNever } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { Change, Plan } from '../../model/plan.ts';
import { duration, shownTime } from '../../model/times.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import { seenJson } from '../../model/values/unseen.ts';
import { plural } from '../../model/values/words.ts';
import type { Palette } from '../terminal/palette.ts';
import { placed } from './plan/plan-text.ts';
import { describeBlocker, describeReasons, describeTotals, driftOf, fieldsOf } from './plan/reasons.ts';
import { outcomeWords } from './plan/report.ts';
import { visible } from './text.ts';

/** What a loop told, as it is written with `--json`: one object a line. */
export type WatchEvent = { readonly time: string; readonly level: Level; readonly project: ProjectName } & (
  | Exclude<Told, { readonly plan: Plan }>
  | (Omit<Extract<Told, { readonly type: 'watching' }>, 'plan'> & PlanInShort)
  | (Omit<Extract<Told, { readonly type: 'drift' }>, 'plan'> & PlanInShort)
);

/** What of a plan a line needs. */
type PlanInShort = Pick<Plan, 'basis' | 'engine' | 'drift'> & { readonly changes: readonly Change[] };

const inShort = ({ basis, engine, drift, changes }: Plan): PlanInShort => ({
  basis,
  engine,
  drift,
  changes: changes.filter(({ action }) => action !== 'unchanged'),
});

/** What is told as an object of one line, which holds nothing raw that a terminal would take for a command. */
export function watchEvent(told: Told, time: string, project: ProjectName): string {
  const { plan, ...rest } = 'plan' in told ? told : { ...told, plan: undefined };
  return seenJson(
    JSON.stringify({ time, level: levelOf(told), project, ...rest, ...(plan === undefined ? {} : inShort(plan)) }),
  );
}

/** How much it matters: `error` is what is broken, or what a person has to see to; `warn` what may become so. */
type Level = 'info' | 'warn' | 'error';

function levelOf(told: Told): Level {
  switch (told.type) {
    case 'source-unusable':
    case 'refused':
      return 'error';
    case 'changed':
      return told.outcome === 'done' ? 'info' : 'error';
    case 'failing':
      return told.isDown ? 'error' : 'warn';
    case 'alert':
      return told.state === 'firing' ? 'error' : 'info';
    case 'left-alone':
      if (told.left.why === 'without-secrets') return 'error';
      return told.left.why === 'blocked' || told.left.why === 'waiting' ? 'warn' : 'info';
    case 'away':
    case 'drift':
    case 'slow':
    case 'warning':
      return 'warn';
    case 'watching':
    case 'source-changed':
    case 'changing':
    case 'in-sync':
    case 'healthy':
    case 'back':
      return 'info';
    default:
      return assertNever(told);
  }
}

/** What is told in lines for people. */
export const watchLines = (told: Told, time: string, palette: Palette): readonly string[] =>
  linesOf(told, palette).map((line) => `${palette.quiet(shownTime(time))}  ${line}`);

const failureLines = ({ message, hint, detail }: Failure, palette: Palette): readonly string[] => [
  visible(message),
  ...tellingLines(detail, 5).map((line) => palette.quiet(`│ ${visible(line)}`)),
  ...(hint === undefined ? [] : [palette.quiet(`hint: ${visible(hint)}`)]),
];

const changeLines = (changes: readonly Change[]): readonly string[] =>
  changes.map((change) => {
    const paths = [...fieldsOf(change), ...driftOf(change)].map(({ path }) => visible(path));
    const fields = paths.length === 0 ? '' : ` (${paths.join(', ')})`;
    return change.action === 'blocked'
      ? `${visible(change.server)}: ${describeBlocker(change.why)}`
      : `${visible(change.server)}: ${change.action}, ${describeReasons(change)}${fields}`;
  });

const awayWords = {
  engine: 'the engine, or what a plan needs, is not there',
  repository: 'the repository cannot be followed; what it said last, if anything, stays in force',
  lock: 'somebody else changes this project',
  receiver: 'who is to be told of alerts cannot be told; it is tried again',
} as const;

const backWords = {
  engine: 'the engine is there again',
  source: 'the files can be used again',
  repository: 'the repository is followed again',
  lock: 'nobody else changes this project any more',
  receiver: 'alerts are told again',
} as const;

/** What an alert of a server did, in words. */
export function alertWords(
  { rule, state, value, why }: Omit<Extract<Told, { readonly type: 'alert' }>, 'type' | 'server'>,
  palette: Palette,
): string {
  const what = `${visible(rule)}: ${visible(value)}`;
  if (state === 'firing') return `${palette.error('alert')} ${what}`;
  return `${palette.good('resolved')} ${what}${why === undefined ? '' : ` (${alertEndWords[why]})`}`;
}

/** Why a server is left as it is for now, in words. */
export function leftWords(left: LeftAlone): string {
  switch (left.why) {
    case 'stopped-by-person':
      return `left as it is: ${visible(left.user)} stopped it with looms at ${shownTime(left.time)}; looms mcp start begins it again`;
    case 'blocked':
      return `cannot be changed: ${describeBlocker(left.blocker)}`;
    case 'waiting':
      return `waits ${duration(left.forMs)} for its next repair, after ${plural(left.repairs, 'repair')} that did not last: ${visible(left.after)}`;
    case 'without-secrets':
      return `is not given its secrets${left.failure.code === 'record-untrusted' ? ' before its record is accepted' : ''}, and is left as it is: ${visible(left.failure.message)}`;
    case 'rotation-turn':
      return 'rotates when it is its turn: one a minute';
    default:
      return assertNever(left);
  }
}

function atCommits({ commits, commitBy }: Commits): string {
  const by = commitBy === undefined ? '' : ` (${visible(commitBy)})`;
  return commits.length === 0 ? '' : ` at ${commits.map((commit) => visible(commit).slice(0, 12)).join(', ')}${by}`;
}

/** What was told, in lines that belong together: the first says it, the others follow below. */
function linesOf(told: Told, palette: Palette): readonly string[] {
  const below = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`);
  const problem = (head: string, failure: Failure): readonly string[] => {
    const [first = '', ...rest] = failureLines(failure, palette);
    return [`${palette.warning(head)}: ${first}`, ...below(rest)];
  };
  switch (told.type) {
    case 'watching':
      return [
        `${palette.strong('watching')} ${plural(told.servers, 'server')}${atCommits(told)} on ${visible(told.plan.engine.name)}: ${described(told.plan)}`,
      ];
    case 'source-changed':
      return [`the files changed: ${plural(told.servers, 'server')}${atCommits(told)}`];
    case 'source-unusable': {
      const keeps = told.keeps === null ? 'nothing is changed until they can' : 'what they said before stays in force';
      return problem(`the files cannot be used, and ${keeps}`, told.failure);
    }
    case 'refused':
      return problem('refused', told.failure);
    case 'drift':
      return [
        `${palette.change('differs')}: ${described(told.plan)}`,
        ...below(changeLines(inShort(told.plan).changes)),
      ];
    case 'warning': {
      const whose = told.server === undefined ? '' : `${visible(told.server)}: `;
      return [`${palette.warning('warning')}: ${whose}${visible(told.message)}${placed(told)}`];
    }
    case 'changing':
      return [`${palette.change('changing')} (${told.triggers.join(', ')})`, ...below(changeLines(told.changes))];
    case 'changed':
      return [
        `${told.outcome === 'done' ? palette.good('done') : palette.error(told.outcome)} in ${duration(told.milliseconds)}`,
        ...below([
          ...told.servers.flatMap(({ server, outcome, note, failure }) => [
            `${visible(server)}: ${outcomeWords(outcome)}${note === undefined ? '' : `, ${visible(note)}`}`,
            ...(failure === undefined ? [] : below(failureLines(failure, palette))),
          ]),
          ...told.failures.flatMap((failure) => failureLines(failure, palette)),
        ]),
      ];
    case 'in-sync':
      return [palette.good(`in sync: ${plural(told.servers, 'server')} as declared`)];
    case 'left-alone':
      return [`${visible(told.server)} ${leftWords(told.left)}`];
    case 'failing': {
      const times = told.isDown ? 'is down, and will be replaced' : `did not answer (${told.failures} of 3)`;
      return told.failure === null
        ? [`${visible(told.server)} ${times}`]
        : problem(`${visible(told.server)} ${times}`, told.failure);
    }
    case 'alert':
      return [`${visible(told.server)} ${alertWords(told, palette)}`];
    case 'slow':
      return [`${visible(told.server)} answers slowly: ${duration(told.milliseconds)}`];
    case 'healthy':
      return [`${visible(told.server)} answers again${told.tools === null ? '' : `: ${plural(told.tools, 'tool')}`}`];
    case 'away':
      return problem(awayWords[told.what], told.failure);
    case 'back':
      return [palette.good(backWords[told.what])];
    default:
      return assertNever(told);
  }
}

const described = (plan: Plan): string => {
  const { changes } = inShort(plan);
  return changes.length === 0 && plan.steps.length === 0 ? 'as declared' : describeTotals(plan);
};
