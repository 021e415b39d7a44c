import { applyWork } from '../../app/apply/apply-plan.ts';
import { noteStopped } from '../../app/apply/record-change.ts';
import { requireTrustInPlan } from '../../app/apply/require-trust.ts';
import { clearDeadLock, lostItsLock } from '../../app/apply/unlock-project.ts';
import type { Work } from '../../app/plan/plan-work.ts';
import { isFailure } from '../../model/errors.ts';
import { describeHolder } from '../../model/lock.ts';
import type { Notice } from '../../model/notices.ts';
import { isInSync, type Plan } from '../../model/plan.ts';
import { plural } from '../../model/values/words.ts';
import type { ApplyReport } from '../../orchestrator/port.ts';
import type { CommandContext } from '../context.ts';
import { InterruptedError } from '../errors.ts';
import { exitCode, exitCodeOfOutcome } from '../exit-codes.ts';
import { disabledServers, renderPlan, renderPlanTitle, warningLines } from '../render/plan/plan-text.ts';
import { renderReport } from '../render/plan/report.ts';
import { timeline } from '../render/plan/timeline.ts';
import type { Progress } from '../render/progress/progress-lanes.ts';
import { lineProgress } from '../render/progress/progress-lines.ts';
import { visible } from '../render/text.ts';
import { confirm } from '../terminal/confirm.ts';
import { type Interruption, listenForSignals } from '../terminal/signals.ts';
import type { Terminal } from '../terminal/terminal.ts';

export type RunPlanFlags = {
  readonly yes: boolean;
  readonly 'dry-run': boolean;
  readonly parallelism?: number | undefined;
  readonly timeout?: number | undefined;
  readonly 'lock-timeout': number;
  readonly grace: number;
  readonly verbose: boolean;
};

/** What came of an execution, beside the plan. */
type Execution = Pick<ApplyReport, 'results' | 'outcome' | 'servers' | 'notices'> & {
  /** Failures of what stands behind the servers; the plan's own `support` says what was planned. */
  readonly supportFailures: ApplyReport['support'];
};

/**
 * The value of `apply --json` and `delete --json`: the plan, and when it was carried out, what came of it. In its version 1
 * notices were texts.
 */
export type PlanOutcome = Omit<Plan, 'schemaVersion'> & { readonly schemaVersion: 2 } & Partial<Execution>;

const outcomeOf = (plan: Plan, execution: Partial<Execution> = {}): PlanOutcome => ({
  ...plan,
  schemaVersion: 2,
  ...execution,
});

type RunPlanOptions = {
  readonly context: CommandContext;
  readonly json: boolean;
  /** Absent for a saved plan: whoever hands it over has agreed to it, and to nothing else. */
  readonly question?: string;
  /** What needs neither to be shown nor agreed to, because the command's name says it already; default: nothing. */
  readonly goesAhead?: (plan: Plan) => boolean;
  /** Done once the plan was agreed to, or leaves nothing to agree to. */
  readonly onAgreed?: () => Promise<void>;
  /** Said when there is nothing to do, instead of what a plan says. */
  readonly nothingToDo?: string;
  /** What is to be known once all was done. */
  readonly afterwards?: Notice;
};

/** Shows a plan, asks if there is anything to do, carries it out, reports. Exit 9: a refusal, nothing changed. */
export async function runPlan(prepared: Work, flags: RunPlanFlags, options: RunPlanOptions): Promise<PlanOutcome> {
  const { context, json, question, goesAhead = () => false } = options;
  const { terminal } = context;
  const { plan } = prepared;
  const agreed = goesAhead(plan);
  if (!json) show(prepared, !agreed || flags['dry-run'] || flags.verbose, flags, options);
  if (flags['dry-run']) return outcomeOf(plan);
  if (plan.steps.length === 0) {
    const problem = await clearDeadLock(context.ports, plan.project);
    if (problem !== undefined)
      terminal.note({
        code: 'lock-not-released',
        message: `the lock of a run that was killed could not be removed: ${problem}`,
      });
  }
  if (isInSync(plan)) {
    await options.onAgreed?.();
    await noteStopped(context.ports, prepared);
    return outcomeOf(plan);
  }
  if (plan.steps.length > 0 && !agreed && question !== undefined) {
    const refusal = `${plural(plan.steps.length, 'step')} would be taken on project ${plan.project}, and nobody agreed`;
    if (!(await confirm(question, { yes: flags.yes, terminal, refusal, lookFirst: true }))) {
      terminal.notice('Nothing was changed.');
      process.exitCode = exitCode.notConfirmed;
      return outcomeOf(plan);
    }
  }
  await options.onAgreed?.();
  await requireTrustInPlan(context.ports, prepared, true);
  const progress = await openProgress(plan, terminal, context.ports.monotonicMs);
  const interruption = listenForSignals(flags.grace * 1000, (which) =>
    progress.notice(interruptionNotice(which, flags.grace)),
  );
  try {
    return await execute(prepared, flags, options, progress, interruption);
  } catch (error) {
    const signal = interruption.received();
    const stopped = signal !== undefined && isFailure(error, 'interrupted');
    throw stopped ? new InterruptedError(signal, error) : error;
  } finally {
    await progress.finish();
    interruption.dispose();
  }
}

/** The plan, or what of it must be said in any case: at least its project and engine. */
function show(prepared: Work, whole: boolean, flags: RunPlanFlags, { context, nothingToDo }: RunPlanOptions): void {
  const { terminal } = context;
  const { plan } = prepared;
  const { palette, width, noticePalette } = terminal;
  const isDone = isInSync(plan) && nothingToDo !== undefined;
  if (isDone || !whole) {
    terminal.answer(renderPlanTitle(plan, palette));
    if (isDone) terminal.answer(palette.good(nothingToDo));
    for (const line of warningLines(plan.warnings, { palette: noticePalette, width })) terminal.notice(line);
    return;
  }
  const disabled = disabledServers(prepared.servers);
  terminal.answer(renderPlan(plan, { palette, width, verbose: flags.verbose, disabled }));
}

function whatNext(outcome: ApplyReport['outcome'], afterwards: Notice | undefined): Notice[] {
  if (outcome === 'done') return afterwards === undefined ? [] : [afterwards];
  const stopped = outcome === 'interrupted' || outcome === 'timed-out';
  return stopped ? [{ code: 'go-on-later', message: 'the same command goes on from what is there' }] : [];
}

const interruptionNotice = (which: 'first' | 'second', graceSeconds: number): string =>
  which === 'first'
    ? `stopping: nothing new is started, what runs may take ${plural(graceSeconds, 'second')} to end; Ctrl-C again stops now`
    : 'stopping now';

async function execute(
  prepared: Work,
  flags: RunPlanFlags,
  { context, json, question, goesAhead = () => false, afterwards }: RunPlanOptions,
  progress: Progress,
  interruption: Interruption,
): Promise<PlanOutcome> {
  const { terminal, ports } = context;
  const times = timeline(ports.monotonicMs);
  const ended = await applyWork(ports, prepared, {
    ...(flags.parallelism === undefined ? {} : { parallelism: flags.parallelism }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout * 1000 }),
    lockTimeoutMs: flags['lock-timeout'] * 1000,
    // Who agreed on screen, or to a saved plan, agreed to that plan; who agreed in advance agreed to whatever brings the
    // engine in line.
    acceptNewPlan: (plan) => question !== undefined && (flags.yes || goesAhead(plan)),
    stopSignal: interruption.stop,
    abortSignal: interruption.abort,
    atOnceSignal: interruption.atOnce,
    sink: (event) => {
      times.record(event);
      progress.sink(event);
    },
    onLockWait: (holder) => progress.notice(`waiting for the lock of ${visible(describeHolder(holder))}`),
  });
  await progress.finish();
  const told = whatNext(ended.outcome, afterwards);
  const report = { ...ended, notices: [...ended.notices, ...told] };
  if (!json) {
    const sources = new Map(prepared.servers.map(({ spec, source }) => [spec.name, source] as const));
    const options = { palette: terminal.palette, elapsedMs: times.elapsed(), millisecondsOf: times.of, sources };
    const planIsAbove = flags.verbose || !goesAhead(prepared.plan);
    terminal.answer(`${planIsAbove ? '\n' : ''}${renderReport(report, options)}`);
  }
  const failures = [...report.servers, ...report.support].flatMap(({ failure }) =>
    failure === undefined ? [] : [failure.code],
  );
  process.exitCode = lostItsLock(report)
    ? exitCode.locked
    : exitCodeOfOutcome(report.outcome, failures, interruption.received());
  const { results, outcome, servers, notices, support } = report;
  return outcomeOf(report.plan, { results, outcome, servers, notices, supportFailures: support });
}

/** Live progress on a terminal, else plain lines. The live one is loaded only when used, as it costs the most. */
async function openProgress(plan: Plan, terminal: Terminal, nowMs: () => number): Promise<Progress> {
  if (!terminal.live) return lineProgress({ notice: terminal.notice, palette: terminal.noticePalette, nowMs });
  const { liveProgress } = await import('../render/progress/progress-listr.ts');
  return liveProgress(plan, terminal, nowMs);
}
