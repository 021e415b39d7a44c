import type { ExecutionEvent } from '../../model/events.ts';
import { planDifferences } from '../../model/plan/compare-plans.ts';
import { planStale } from '../common/plan-stale.ts';
import { reportOf } from '../common/report.ts';
import { withinTime } from '../common/under-lock.ts';
import type { ApplyOptions, ApplyReport, Orchestrator, Prepared } from '../port.ts';
import { createMakings, deferred, type Makings } from './makings.ts';
import { createMeeting, type Meeting } from './meeting.ts';
import { errorOf, type Member, type Members } from './members.ts';
import { byName, type Part, type SeveralPrepared, stepOn } from './merge.ts';
import type { Placed } from './place.ts';
import { type EngineReport, mergeReports } from './reports.ts';

/** What is done on one engine under its lock; null: nothing but that its lock is held. */
type Turn = { readonly member: Member; readonly run: (onLocked: () => void) => Promise<EngineReport | null> };

/**
 * `Orchestrator.apply` of several engines: under the locks of all that are changed, and of those where servers stay that
 * others give up. The locks are taken in the order of the engines' names, so that no two runs wait for one another, and nothing
 * is done on any engine before all are locked and the whole is agreed to. A server that goes from one engine to another is
 * taken away once it has passed its gate on the other one.
 *
 * @param monotonicMs a clock that never goes back, ms
 */
export const applySeveral = (
  members: Members,
  confirmed: SeveralPrepared,
  options: ApplyOptions,
  monotonicMs: () => number,
): Promise<ApplyReport> => {
  const locksUntil = monotonicMs() + options.lockTimeoutMs;
  return withinTime(options, (bounded, begin) =>
    applyBounded(members, confirmed, bounded, {
      begin,
      // All locks together are waited for as long as one would be.
      lockTimeoutMs: () => Math.max(0, locksUntil - monotonicMs()),
    }),
  );
};

type Timing = { readonly begin: () => void; readonly lockTimeoutMs: () => number };

async function applyBounded(
  members: Members,
  confirmed: SeveralPrepared,
  options: ApplyOptions,
  { begin, lockTimeoutMs }: Timing,
): Promise<ApplyReport> {
  const { placed, plan } = confirmed;
  const busy = confirmed.parts.filter(({ prepared }) => prepared.plan.steps.length > 0);
  if (busy.length === 0) {
    const words = { stillServes: () => false, stillServingNotes: () => [], wayBackNotices: [] };
    return reportOf(plan, new Map(), words);
  }
  const makings = createMakings(placed);
  const meeting = createMeeting(members, confirmed, makings, options);
  const allEnded = deferred<void>();
  const staying = stayingOn(placed);
  const applyPart = async (member: Member, part: Part, onLocked: () => void): Promise<EngineReport> => {
    const { engine } = part;
    try {
      const orchestrator = await member.orchestrator();
      const waiting = { ...options, lockTimeoutMs: lockTimeoutMs() };
      const own = partOptions(part, { makings, meeting, options: waiting, onLocked });
      const report = await orchestrator.apply(part.prepared, own);
      return { engine, report };
    } catch (error) {
      throw meeting.isRefusal(error) ? error : errorOf(member, error);
    } finally {
      makings.ended(engine);
    }
  };
  const keepLocked = async (member: Member, onLocked: () => void): Promise<null> => {
    const orchestrator = await member.orchestrator();
    const wait = { ...options, lockTimeoutMs: lockTimeoutMs() };
    const stays = confirmed.parts.find(({ engine }) => engine === member.name)?.prepared;
    try {
      await orchestrator.lock.hold(plan.project, wait, async () => {
        // What another engine gives up has to be as well here as when that was agreed to.
        if (stays !== undefined) await requireSamePlan(orchestrator, stays);
        onLocked();
        await meeting.allLocked.promise;
        await allEnded.promise;
      });
    } catch (error) {
      throw errorOf(member, error);
    }
    return null;
  };

  const turns = members.all.toSorted(byName).flatMap((member): Turn[] => {
    const part = busy.find(({ engine }) => engine === member.name);
    if (part !== undefined) return [{ member, run: (onLocked) => applyPart(member, part, onLocked) }];
    return staying.has(member.name) ? [{ member, run: (onLocked) => keepLocked(member, onLocked) }] : [];
  });

  const running = await lockInTurn(turns, meeting);
  begin();
  meeting.allLocked.resolve();
  await Promise.allSettled(busy.map(({ engine }) => running.get(engine)));
  allEnded.resolve();
  const ended = await Promise.all(running.values());
  const whole = meeting.whole();
  const warnings = [...whole.plan.warnings, ...(await meeting.warnings())];
  return mergeReports(
    { ...whole, plan: { ...whole.plan, warnings } },
    ended.filter((one) => one !== null),
  );
}

/** Throws `plan-stale` where an engine is not as it was when nothing was to be done on it. */
async function requireSamePlan(orchestrator: Orchestrator, { intent, plan }: Prepared): Promise<void> {
  const again = await orchestrator.plan(intent);
  if (again.plan.basis === plan.basis) return;
  throw planStale('it changed between the plan you confirmed and now', planDifferences(plan, again.plan));
}

/** Engines where servers stay that another one gives up: nobody else may give them up meanwhile. */
const stayingOn = ({ leaving, placings }: Placed): ReadonlySet<string> =>
  new Set(
    [...leaving.values()].flat().flatMap((name) => {
      const placing = placings.get(name);
      return placing?.kind === 'on' ? [placing.engine] : [];
    }),
  );

type PartContext = {
  readonly makings: Makings;
  readonly meeting: Meeting;
  readonly options: ApplyOptions;
  readonly onLocked: () => void;
};

/** The options of the whole, as those of one engine. */
const partOptions = (
  { engine, prepared }: Part,
  { makings, meeting, options, onLocked }: PartContext,
): ApplyOptions => ({
  ...options,
  awaited: makings.awaited(engine),
  acceptNewPlan: (plan) => meeting.accepts(engine, prepared, plan),
  check: async (again) => {
    onLocked();
    return meeting.join(engine, again);
  },
  sink: (event: ExecutionEvent) => {
    const told = { ...event, step: stepOn(engine, event.step) };
    makings.hear(told);
    options.sink(told);
  },
});

/** Begins one after the other, each once the one before is locked. Where one cannot be, those that are do nothing. */
async function lockInTurn(turns: readonly Turn[], { allLocked }: Meeting) {
  const running = new Map<string, Promise<EngineReport | null>>();
  for (const { member, run } of turns) {
    const locked = deferred<void>();
    const work = run(locked.resolve);
    running.set(member.name, work);
    try {
      // What ends without having been locked has failed, or found nothing to do any more.
      await Promise.race([locked.promise, work]);
    } catch (error) {
      allLocked.reject(error);
      await Promise.allSettled(running.values());
      throw error;
    }
  }
  return running as ReadonlyMap<string, Promise<EngineReport | null>>;
}
