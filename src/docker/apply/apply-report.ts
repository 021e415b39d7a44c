import type { Failure } from '../../model/events.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { Change, Reason } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import type { ApplyReport, ServerOutcome } from '../../orchestrator/port.ts';
import type { StepResults } from '../execute/execute-plan.ts';
import { label } from '../model/labels.ts';
import type { DockerPlan, StepDraft } from '../steps.ts';

/** Whether what served before a replacement still serves: nothing stopped it, or it was started again. */
function stillServes(
  change: Change,
  plan: DockerPlan,
  results: StepResults,
  running: ReadonlySet<ContainerId>,
): boolean {
  const { container } = change;
  if (change.action !== 'replace' || container === undefined) return false;
  const done = (op: 'stop-container' | 'start-container'): boolean =>
    plan.steps.some(
      (step) =>
        step.op === op && 'id' in step.target && step.target.id === container && results.get(step.id)?.result === 'ok',
    );
  return done('start-container') || (running.has(container) && !done('stop-container'));
}

function serverOutcome(
  server: ServerName,
  plan: DockerPlan,
  results: StepResults,
  running: ReadonlySet<ContainerId>,
): ServerOutcome {
  const change = plan.changes.find((one) => one.server === server);
  if (change?.action === 'unchanged') return { server, outcome: 'unchanged' };
  if (change?.action === 'blocked') return { server, outcome: 'blocked' };
  const steps = plan.steps.filter((step) => step.server === server && step.onFailureOf === undefined);
  const ended = steps.map((step) => ({ step, result: results.get(step.id) }));
  const broken = ended.find(({ result }) => result?.result === 'failed' || result?.result === 'unknown');
  if (broken?.result !== undefined && 'failure' in broken.result) {
    const { failure } = broken.result;
    // A gate that was given up says nothing about the server.
    if (failure.code === 'interrupted') return { server, outcome: 'interrupted' };
    // Nor does one that the engine did not answer.
    const refused = broken.step.op === 'gate' && broken.result.result === 'failed';
    if (!refused || change === undefined) return { server, outcome: 'failed', failure };
    return { server, outcome: stillServes(change, plan, results, running) ? 'gate-failed' : 'not-serving', failure };
  }
  const skipped = ended.find(({ result }) => result?.result === 'skipped');
  if (skipped === undefined) return { server, outcome: 'done' };
  const root = rootFailure(skipped.step, plan, results);
  return root === undefined ? { server, outcome: 'interrupted' } : { server, outcome: 'failed', failure: root };
}

function gateNote(server: ServerName, plan: DockerPlan, results: StepResults): string | undefined {
  const notes = plan.steps.flatMap((step) => {
    const result = step.op === 'gate' && step.server === server ? results.get(step.id) : undefined;
    return result?.result === 'ok' ? [result.note] : [];
  });
  return notes[0];
}

/**
 * What keeps to a list that its server did not pass its gate with: an address can be had once, so the stand-in of the list
 * before went for its successor (docs/architecture.md), and only a run that reads that list again makes it anew.
 */
function changedStandIns(server: ServerName, plan: DockerPlan, results: StepResults): readonly string[] {
  const isOk = (step: StepDraft): boolean => results.get(step.id)?.result === 'ok';
  const changed = new Set(
    plan.support
      .filter(({ kind, action, reasons }) => kind === 'forwarder' && action === 'replace' && reasons.some(isOtherList))
      .map(({ name }) => name),
  );
  return plan.steps.flatMap((step) => {
    if (step.op !== 'create-container' || step.container.ownLabels[label.server] !== server) return [];
    const { name } = step.container;
    const hasGone = plan.steps.some((one) => one.op === 'remove-container' && one.name === name && isOk(one));
    if (!changed.has(name) || !hasGone) return [];
    return [`${name} ${isOk(step) ? 'has the new list' : 'is gone'}`];
  });
}

const isOtherList = ({ kind }: Reason): boolean => kind === 'spec-changed';

/** Of what served before and still does: that, where the outcome does not say it, and what its way out has become. */
function stillServingNote(
  { outcome }: ServerOutcome,
  change: Change,
  plan: DockerPlan,
  results: StepResults,
): string | undefined {
  const standIns = changedStandIns(change.server, plan, results);
  const texts = [
    ...(outcome === 'failed' ? ['what served before still does'] : []),
    ...(standIns.length === 0 ? [] : [`until the next apply ${standIns.join(', ')}`]),
  ];
  return texts.length === 0 ? undefined : texts.join('; ');
}

/** The failure that a skipped step goes back to; undefined when it was an interrupt. */
function rootFailure(step: StepDraft, plan: DockerPlan, results: StepResults): Failure | undefined {
  const result = results.get(step.id);
  if (result === undefined || result.result === 'ok') return undefined;
  if (result.result !== 'skipped') return result.failure;
  const cause = plan.steps.find((one) => one.id === result.because);
  return cause === undefined || cause === step ? undefined : rootFailure(cause, plan, results);
}

/** What became of the ways back: a container that was kept to be looked at, and what could not be undone. */
function wayBackNotices(plan: DockerPlan, results: StepResults): Notice[] {
  return plan.steps.flatMap((step): Notice[] => {
    const result = results.get(step.id);
    if (step.onFailureOf === undefined || result === undefined) return [];
    if (result.result === 'ok' && step.op === 'stop-container') {
      const message = `${step.name} is kept, stopped: \`docker logs ${step.name}\` shows what it wrote`;
      return [{ code: 'container-kept', ...defined({ server: step.server }), message }];
    }
    if (!('failure' in result)) return [];
    const what = step.id.replace(`${step.server ?? step.id}/`, '');
    const message = `${what} failed too (${result.failure.message}); the next run goes on from what is there`;
    return [{ code: 'way-back-failed', ...defined({ server: step.server }), message }];
  });
}

/** What a walked plan came to, for each server and for the whole run; `running`: the containers that ran before it. */
export function reportOf(plan: DockerPlan, results: StepResults, running: ReadonlySet<ContainerId>): ApplyReport {
  const servers = plan.changes.map(({ server }) => {
    const outcome = serverOutcome(server, plan, results, running);
    const change = plan.changes.find((one) => one.server === server);
    const hasFailed = outcome.outcome === 'failed' || outcome.outcome === 'gate-failed';
    const serves = hasFailed && change !== undefined && stillServes(change, plan, results, running);
    const note = serves ? stillServingNote(outcome, change, plan, results) : gateNote(server, plan, results);
    return { ...outcome, ...(note === undefined ? {} : { note }) };
  });
  const support = plan.steps.flatMap((step) => {
    const result = results.get(step.id);
    return step.server === undefined && result !== undefined && 'failure' in result
      ? [{ step: step.id, failure: result.failure }]
      : [];
  });
  const stepNotes = plan.steps.flatMap((step): Notice[] => {
    const result = results.get(step.id);
    if (result?.result !== 'ok' || result.code === undefined) return [];
    return [{ code: result.code, ...defined({ server: step.server }), message: result.note ?? '' }];
  });
  return {
    plan,
    results: Object.fromEntries(results),
    outcome: overall(servers, support.length > 0),
    servers,
    support,
    notices: [...stepNotes, ...wayBackNotices(plan, results)],
    healthy: [],
  };
}

function overall(servers: readonly ServerOutcome[], supportFailed: boolean): ApplyReport['outcome'] {
  const bad = servers.filter(({ outcome }) => outcome !== 'done' && outcome !== 'unchanged');
  if (bad.some(({ outcome }) => outcome === 'interrupted')) return 'interrupted';
  if (bad.length === 0) return supportFailed ? 'failed' : 'done';
  if (servers.some(({ outcome }) => outcome === 'done')) return 'partly';
  if (bad.every(({ outcome }) => outcome === 'gate-failed')) return 'gate-failed';
  if (bad.every(({ outcome }) => outcome === 'gate-failed' || outcome === 'not-serving')) return 'not-serving';
  return bad.every(({ outcome }) => outcome === 'blocked') ? 'blocked' : 'failed';
}
