import type { DeclaredServer } from '../../model/desired.ts';
import { type Change, isRotation, type Plan } from '../../model/plan.ts';
import type { ApplyReport } from '../../orchestrator/port.ts';
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

type RunOptions = {
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
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
};

type Run = {
  /** Throws what `applyWork` throws. */
  readonly carryOut: (work: Work, triggers: readonly Trigger[]) => Promise<void>;
  /** A look came to its end: what is begun next is told. */
  readonly endWell: () => void;
};

/** Carries plans of a loop out, tells of it, and sees to it that what does not last is not done again at once. */
export function createRun(ports: Ports, options: RunOptions): Run {
  const { tell, record, backOff, probes, onRotation, stop } = options;
  /** The plan that was begun in the last look that failed. */
  let tried: string | undefined;

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

  const apply = async (work: Work, triggers: readonly Trigger[]): Promise<void> => {
    const begun: Change[] = [];
    const newIn = ({ changes }: Plan): readonly Change[] => {
      const old = new Set(begun.map((change) => JSON.stringify(change)));
      return changes.filter((change) => change.action !== 'unchanged' && !old.has(JSON.stringify(change)));
    };
    const begin = (changes: readonly Change[], isTold: boolean) => {
      if (isTold) tell({ type: 'changing', triggers, changes });
      begun.push(...changes);
      probes.changing(begun.map(({ server }) => server));
      return record.changing(changes);
    };
    // What could not even begin is begun again without a word.
    const ended = begin(newIn(work.plan), tried !== work.plan.basis);
    tried = work.plan.basis;
    const started = ports.monotonicMs();
    const end = (result: string): void => ended((ports.monotonicMs() - started) / 1000, result);
    const report = await applyWork(ports, work, {
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      lockTimeoutMs: lockPatienceMs,
      // Whoever starts the loop agrees to whatever brings the engine in line, within the rules that the plan is held to.
      acceptNewPlan: (plan) => {
        const changes = newIn(plan);
        if (changes.length > 0) begin(changes, true);
        return true;
      },
      occasion: { trigger: triggerOf(triggers), eventBefore: options.eventBefore },
      stopSignal: stop,
      abortSignal: options.abort,
      sink: record.stirred,
      onLockWait: () => {},
    }).catch((error: unknown) => {
      end('failed');
      throw error;
    });
    const { outcome, support } = report;
    end(outcome);
    tell({
      type: 'changed',
      outcome,
      servers: report.servers.filter((one) => one.outcome !== 'unchanged'),
      failures: support.map(({ failure }) => failure),
      milliseconds: Math.round(ports.monotonicMs() - started),
    });
    await settle(work.servers, report);
  };

  return {
    carryOut: (work, triggers) => apply(work, triggers).finally(() => probes.changing([])),
    endWell() {
      tried = undefined;
    },
  };
}
