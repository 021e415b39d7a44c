import type { Failure } from '../../model/events.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { Change, Plan, Step } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import type { ApplyReport, ServerOutcome } from '../port.ts';
import type { StepResults } from './walk-plan.ts';

/** What a report says of one orchestrator's steps. */
export type ReportWords = {
  /** Whether what served before a replacement still serves: nothing stopped it, or it was started again. */
  readonly stillServes: (change: Change) => boolean;
  /** Of a server that could not be replaced and serves as before, what else is to be said of it. */
  readonly stillServingNotes: (change: Change) => readonly string[];
  /** What has become of a way back that was gone; `name` is its step's. */
  readonly wayBackNotices: readonly Notice[];
};

/** What a walked plan came to, for each server and for the whole run. A step whose `op` is `gate` is one. */
export function reportOf(plan: Plan, results: StepResults, words: ReportWords): ApplyReport {
  const servers = plan.changes.map((change) => {
    const outcome = serverOutcome(change, plan, results, words);
    const hasFailed = outcome.outcome === 'failed' || outcome.outcome === 'gate-failed';
    const note =
      hasFailed && words.stillServes(change)
        ? stillServingNote(outcome, words.stillServingNotes(change))
        : gateNote(change.server, plan, results);
    return { ...outcome, ...(note === undefined ? {} : { note }) };
  });
  const support = plan.steps.flatMap((step) => {
    const result = results.get(step.id);
    return step.server === undefined && result !== undefined && 'failure' in result
      ? [{ step: step.id, failure: result.failure }]
      : [];
  });
  const stepNotes = plan.steps.flatMap((step): readonly Notice[] => {
    const result = results.get(step.id);
    if (result?.result !== 'ok' || result.code === undefined) return [];
    return [{ code: result.code, ...defined({ server: step.server }), message: result.note ?? '' }];
  });
  return {
    plan,
    results: Object.fromEntries(results),
    outcome: outcomeOf(servers, support.length > 0),
    servers,
    support,
    notices: [...stepNotes, ...words.wayBackNotices],
    healthy: [],
  };
}

function serverOutcome(
  change: Change,
  plan: Plan,
  results: StepResults,
  { stillServes }: Pick<ReportWords, 'stillServes'>,
): ServerOutcome {
  const { server } = change;
  if (change.action === 'unchanged') return { server, outcome: 'unchanged' };
  if (change.action === 'blocked') return { server, outcome: 'blocked' };
  const steps = plan.steps.filter((step) => step.server === server && step.onFailureOf === undefined);
  const ended = steps.map((step) => ({ step, result: results.get(step.id) }));
  const broken = ended.find(({ result }) => result?.result === 'failed' || result?.result === 'unknown');
  if (broken?.result !== undefined && 'failure' in broken.result) {
    const { failure } = broken.result;
    // A gate that was given up says nothing about the server.
    if (failure.code === 'interrupted') return { server, outcome: 'interrupted' };
    // Nor does one that the engine did not answer.
    const refused = broken.step.op === 'gate' && broken.result.result === 'failed';
    if (!refused) return { server, outcome: 'failed', failure };
    return { server, outcome: stillServes(change) ? 'gate-failed' : 'not-serving', failure };
  }
  const skipped = ended.find(({ result }) => result?.result === 'skipped');
  if (skipped === undefined) return { server, outcome: 'done' };
  const root = rootFailure(skipped.step, plan, results);
  return root === undefined ? { server, outcome: 'interrupted' } : { server, outcome: 'failed', failure: root };
}

function gateNote(server: ServerName, plan: Plan, results: StepResults): string | undefined {
  const notes = plan.steps.flatMap((step) => {
    const result = step.op === 'gate' && step.server === server ? results.get(step.id) : undefined;
    return result?.result === 'ok' ? [result.note] : [];
  });
  return notes[0];
}

/** Of what served before and still does: that, where the outcome does not say it, and what else is to be said. */
function stillServingNote({ outcome }: ServerOutcome, notes: readonly string[]): string | undefined {
  const texts = [...(outcome === 'failed' ? ['what served before still does'] : []), ...notes];
  return texts.length === 0 ? undefined : texts.join('; ');
}

/** The failure that a skipped step goes back to; undefined when it was an interrupt. */
function rootFailure(step: Step, plan: Plan, results: StepResults): Failure | undefined {
  const result = results.get(step.id);
  if (result === undefined || result.result === 'ok') return undefined;
  if (result.result !== 'skipped') return result.failure;
  const cause = plan.steps.find((one) => one.id === result.because);
  return cause === undefined || cause === step ? undefined : rootFailure(cause, plan, results);
}

/** Of a way back that failed too; none for others. */
export function brokenWayBack(step: Step, results: StepResults): readonly Notice[] {
  const result = results.get(step.id);
  if (step.onFailureOf === undefined || result === undefined || !('failure' in result)) return [];
  const what = step.id.replace(`${step.server ?? step.id}/`, '');
  const message = `${what} failed too (${result.failure.message}); the next run goes on from what is there`;
  return [{ code: 'way-back-failed', ...defined({ server: step.server }), message }];
}

export function outcomeOf(servers: readonly ServerOutcome[], supportFailed: boolean): ApplyReport['outcome'] {
  const bad = servers.filter(({ outcome }) => outcome !== 'done' && outcome !== 'unchanged');
  if (bad.some(({ outcome }) => outcome === 'interrupted')) return 'interrupted';
  if (bad.length === 0) return supportFailed ? 'failed' : 'done';
  if (servers.some(({ outcome }) => outcome === 'done')) return 'partly';
  if (bad.every(({ outcome }) => outcome === 'gate-failed')) return 'gate-failed';
  if (bad.every(({ outcome }) => outcome === 'gate-failed' || outcome === 'not-serving')) return 'not-serving';
  return bad.every(({ outcome }) => outcome === 'blocked') ? 'blocked' : 'failed';
}
