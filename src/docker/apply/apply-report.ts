import type { ContainerId } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { Change, Reason } from '../../model/plan.ts';
import { defined } from '../../model/values/defined.ts';
import { brokenWayBack, reportOf as commonReport } from '../../orchestrator/common/report.ts';
import type { StepResults } from '../../orchestrator/common/walk-plan.ts';
import type { ApplyReport } from '../../orchestrator/port.ts';
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

/**
 * What keeps to a list that its server did not pass its gate with: an address can be had once, so the stand-in of the list
 * before went for its successor (docs/architecture.md), and only a run that reads that list again makes it anew.
 */
function changedStandIns({ server }: Change, plan: DockerPlan, results: StepResults): readonly string[] {
  const isOk = (step: StepDraft): boolean => results.get(step.id)?.result === 'ok';
  const changed = new Set(
    plan.support
      .filter(({ kind, action, reasons }) => kind === 'forwarder' && action === 'replace' && reasons.some(isOtherList))
      .map(({ name }) => name),
  );
  const standIns = plan.steps.flatMap((step) => {
    if (step.op !== 'create-container' || step.container.ownLabels[label.server] !== server) return [];
    const { name } = step.container;
    const hasGone = plan.steps.some((one) => one.op === 'remove-container' && one.name === name && isOk(one));
    if (!changed.has(name) || !hasGone) return [];
    return [`${name} ${isOk(step) ? 'has the new list' : 'is gone'}`];
  });
  return standIns.length === 0 ? [] : [`until the next apply ${standIns.join(', ')}`];
}

const isOtherList = ({ kind }: Reason): boolean => kind === 'spec-changed';

/** What became of the ways back: a container that was kept to be looked at, and what could not be undone. */
const wayBackNotices = (plan: DockerPlan, results: StepResults): Notice[] =>
  plan.steps.flatMap((step): readonly Notice[] => {
    const isKept = step.onFailureOf !== undefined && step.op === 'stop-container';
    if (!isKept || results.get(step.id)?.result !== 'ok') return brokenWayBack(step, results);
    const message = `${step.name} is kept, stopped: \`docker logs ${step.name}\` shows what it wrote`;
    return [{ code: 'container-kept', ...defined({ server: step.server }), message }];
  });

/** What a walked plan came to, for each server and for the whole run; `running`: the containers that ran before it. */
export const reportOf = (plan: DockerPlan, results: StepResults, running: ReadonlySet<ContainerId>): ApplyReport =>
  commonReport(plan, results, {
    stillServes: (change) => stillServes(change, plan, results, running),
    stillServingNotes: (change) => changedStandIns(change, plan, results),
    wayBackNotices: wayBackNotices(plan, results),
  });
