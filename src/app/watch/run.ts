import type { DeclaredServer } from '../../model/desired.ts';
import { type Change, isRotation } from '../../model/plan.ts';
import type { ApplyReport, Prepared } from '../../orchestrator/port.ts';
import { applyWork, type Occasion } from '../apply/apply-plan.ts';
import type { Work } from '../plan/plan-work.ts';
import type { Ports } from '../ports.ts';
import type { BackOff } from './back-off.ts';
import { declaredAs } from './hold-back.ts';
import type { LoopRecord } from './loop-record.ts';
import type { Probes } from './probes.ts';
import type { Told } from './told.ts';
import { type Trigger, triggerOf } from './wake.ts';

/** How long the lock of somebody else's run is waited for before the loop goes on and looks again, ms. */
const lockPatienceMs = 5_000;

/** What stands behind the servers, among what is repaired: no server has such a name. */
export const behindServers = '*';

export type RunOptions = {
  readonly tell: (told: Told) => void;
  readonly record: LoopRecord;
  readonly backOff: BackOff;
  readonly probes: Probes;
  /** The event of the engine before a change, by its id. */
  readonly eventBefore: Occasion['eventBefore'];
  /** A rotation was begun. */
  readonly onRotation: () => void;
  /** Bound of one run of a plan, ms. */
  readonly timeoutMs: number | undefined;
  /** As `ApplyOptions` has them. */
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
  readonly atOnce: AbortSignal;
};

/** Carries a plan out on what `stillWanted` agrees to under the lock. Throws what `applyWork` throws. */
type CarryOut = (
  work: Work,
  triggers: readonly Trigger[],
  stillWanted: (again: Prepared) => Promise<void>,
) => Promise<void>;

const changesOf = ({ plan }: Prepared): readonly Change[] =>
  plan.changes.filter(({ action }) => action !== 'unchanged');

/** Carries plans of a loop out, tells of it, and sees to it that what does not last is not done again at once. */
export function createRun(ports: Ports, options: RunOptions): CarryOut {
  const { tell, record, backOff, probes, onRotation, stop } = options;

  const settle = async (servers: readonly DeclaredServer[], report: ApplyReport): Promise<void> => {
    const { changes } = report.plan;
    const hashes = new Map(servers.map((one) => [one.spec.name, declaredAs(one)]));
    const changed = new Map(changes.map((change) => [change.server, change]));
    // What the time limit cut off would stall again; what the end of the loop cut off says nothing.
    const isCutOff = report.outcome === 'timed-out' && !stop.aborted;
    for (const { server, outcome, failure } of report.servers) {
      const change = changed.get(server);
      if (change === undefined || outcome === 'unchanged' || outcome === 'blocked') continue;
      if (outcome === 'interrupted' && !isCutOff) continue;
      if (isRotation(change)) onRotation();
      probes.settled(server, outcome === 'done');
      const end = {
        ok: outcome === 'done',
        why: failure?.message ?? (isCutOff ? 'it took longer than --timeout' : outcome),
      };
      await backOff.repaired(server, hashes.get(server) ?? '', end);
    }
    const [failed] = report.support;
    if (failed !== undefined) {
      await backOff.repaired(behindServers, '', { ok: false, why: failed.failure.message });
    }
  };

  const apply: CarryOut = async (work, triggers, stillWanted) => {
    const started = ports.monotonicMs();
    let ended: ReturnType<LoopRecord['changing']> = () => {};
    const end = (result: string): void => ended((ports.monotonicMs() - started) / 1000, result);
    probes.changing(changesOf(work).map(({ server }) => server));
    const report = await applyWork(ports, work, {
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      lockTimeoutMs: lockPatienceMs,
      // Whoever starts the loop agrees to whatever brings the engine in line, within the rules that the plan is held to.
      acceptNewPlan: () => true,
      occasion: { trigger: triggerOf(triggers), eventBefore: options.eventBefore },
      stillWanted,
      onBegin(again) {
        const changes = changesOf(again);
        probes.changing(changes.map(({ server }) => server));
        ended = record.changing(changes);
        tell({ type: 'changing', triggers, changes });
      },
      stopSignal: stop,
      abortSignal: options.abort,
      atOnceSignal: options.atOnce,
      sink: record.stirred,
      onLockWait: () => {},
    }).catch((error: unknown) => {
      end('failed');
      throw error;
    });
    const { outcome, support } = report;
    end(outcome);
    if (report.plan.steps.length > 0) {
      tell({
        type: 'changed',
        outcome,
        servers: report.servers.filter((one) => one.outcome !== 'unchanged'),
        failures: support.map(({ failure }) => failure),
        milliseconds: Math.round(ports.monotonicMs() - started),
      });
    }
    await settle(work.servers, report);
  };

  return (work, triggers, stillWanted) => apply(work, triggers, stillWanted).finally(() => probes.changing([]));
}
