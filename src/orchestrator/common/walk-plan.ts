import type { EventSink, Failure, StepResult } from '../../model/events.ts';
import type { ServerName, StepId } from '../../model/ids.ts';
import type { Step, StepHeader } from '../../model/plan.ts';
import type { Awaited } from '../port.ts';

export type StepResults = ReadonlyMap<StepId, StepResult>;

export type WalkOptions<S extends Step> = {
  /** How many steps run at once, at least 1. */
  readonly parallelism: number;
  /** Aborted: no new step starts; running ones end. */
  readonly stopSignal: AbortSignal;
  /** Aborted: running calls are given up; what was asked for may still happen. */
  readonly abortSignal: AbortSignal;
  /** Aborted: nothing runs any more. */
  readonly atOnceSignal: AbortSignal;
  /** Whether something would be left that does not serve without this way back, which runs also when calls are given up. */
  readonly restores?: (step: S) => boolean;
  readonly sink: EventSink;
  readonly monotonicMs: () => number;
  readonly awaited?: Awaited | undefined;
  /** Does one step; `answered` is the failure that a way back answers. Never throws: a failure is a result. */
  readonly perform: (step: S, answered: Failure | undefined) => Promise<StepResult>;
};

const failed = (result: StepResult | undefined): boolean => result?.result === 'failed' || result?.result === 'unknown';

type Turn = 'wait' | 'run' | { readonly skip: Extract<StepResult, { result: 'skipped' }> };

/** Whether the work stops: at the next step, with what runs given up, or at once, because nobody waits or the lock is lost. */
type Halt = 'no' | 'no-new-steps' | 'given-up' | 'at-once';

/** Something was done, and what should have followed was not: as good as a failure for whoever waits to undo it. */
const leftHalfway = (results: readonly (StepResult | undefined)[]): boolean =>
  results.some((one) => one?.result === 'ok') && results.some((one) => one?.result === 'skipped');

/** What a step may do now, from the results of the steps it hangs on; `restores` as `WalkOptions` has it. */
export function turnOf(step: StepHeader, results: StepResults, halt: Halt, restores = false): Turn {
  const pending = [...step.after, ...(step.onFailureOf ?? [])].some((id) => !results.has(id));
  if (step.onFailureOf !== undefined) {
    if (pending) return 'wait';
    const answered = step.onFailureOf.map((id) => results.get(id));
    const halfway = step.failuresOnly !== true && leftHalfway(answered);
    if (!answered.some(failed) && !halfway) return { skip: { result: 'skipped', because: 'not-needed' } };
    // After a first Ctrl-C ways back still run: a server that was stopped for its successor must serve again.
    const goesBack = halt !== 'at-once' && (halt !== 'given-up' || restores);
    return goesBack ? 'run' : { skip: { result: 'skipped', because: 'interrupted' } };
  }
  const broken = step.after.find((id) => results.has(id) && results.get(id)?.result !== 'ok');
  if (broken !== undefined) return { skip: { result: 'skipped', because: broken } };
  const goesOn = halt === 'no' || (halt !== 'at-once' && step.completes === true);
  if (!goesOn) return { skip: { result: 'skipped', because: 'interrupted' } };
  return pending ? 'wait' : 'run';
}

/** Keeps steps of servers back until it is known what became of them elsewhere. A step that waits takes no turn of others. */
function listenElsewhere(steps: readonly Step[], awaited: Awaited = () => undefined) {
  const known = new Map<ServerName, boolean>();
  const open = new Map<ServerName, Promise<void>>();
  for (const server of new Set(steps.flatMap((step) => step.server ?? []))) {
    const outcome = awaited(server);
    if (outcome === undefined) continue;
    const heard = outcome.then((isDone) => {
      known.set(server, isDone);
      open.delete(server);
    });
    open.set(server, heard);
  }
  return {
    open: (): readonly Promise<void>[] => [...open.values()],
    turnOf: ({ server }: StepHeader, turn: Turn): Turn => {
      if (turn !== 'run' || server === undefined) return turn;
      if (open.has(server)) return 'wait';
      return known.get(server) === false ? { skip: { result: 'skipped', because: 'elsewhere' } } : turn;
    },
  };
}

/** Walks a plan's graph. Decides nothing; servers do not wait for one another; every step gets a result. */
export async function walkPlan<S extends Step>(steps: readonly S[], options: WalkOptions<S>): Promise<StepResults> {
  const results = new Map<StepId, StepResult>();
  const running = new Map<StepId, Promise<void>>();
  let lockIsLost = false;
  const halt = (): Halt => {
    if (options.atOnceSignal.aborted || lockIsLost) return 'at-once';
    if (options.abortSignal.aborted) return 'given-up';
    return options.stopSignal.aborted ? 'no-new-steps' : 'no';
  };

  const answeredBy = (step: S): Failure | undefined => {
    const failures = (step.onFailureOf ?? []).map((id) => results.get(id));
    return failures.flatMap((one) => (one !== undefined && 'failure' in one ? [one.failure] : []))[0];
  };

  const run = async (step: S): Promise<void> => {
    const started = options.monotonicMs();
    options.sink({ type: 'step-started', step });
    const result = await options.perform(step, answeredBy(step));
    if ('failure' in result && result.failure.code === 'lock-lost') lockIsLost = true;
    results.set(step.id, result);
    running.delete(step.id);
    options.sink({ type: 'step-ended', step, result, milliseconds: options.monotonicMs() - started });
  };

  const elsewhere = listenElsewhere(steps, options.awaited);
  const waiting = new Set(steps);
  while (waiting.size > 0 || running.size > 0) {
    let moved = false;
    for (const step of waiting) {
      const turn = elsewhere.turnOf(step, turnOf(step, results, halt(), options.restores?.(step)));
      if (turn === 'wait' || (turn === 'run' && running.size >= options.parallelism)) continue;
      waiting.delete(step);
      moved = true;
      if (turn === 'run') running.set(step.id, run(step));
      else {
        results.set(step.id, turn.skip);
        options.sink({ type: 'step-ended', step, result: turn.skip, milliseconds: 0 });
      }
    }
    const open = [...running.values(), ...elsewhere.open()];
    if (running.size > 0 || (!moved && open.length > 0)) await Promise.race(open);
    else if (!moved) break; // Only a plan whose steps wait for one another in a circle ends here.
  }
  for (const step of waiting) results.set(step.id, { result: 'skipped', because: step.id });
  return results;
}
