import type { Plan } from '../../model/plan.ts';
import { planStale } from '../common/plan-stale.ts';
import type { ApplyOptions, Prepared } from '../port.ts';
import { type Deferred, deferred, type Makings } from './makings.ts';
import type { Members } from './members.ts';
import { mergePrepared, type SeveralPrepared } from './merge.ts';
import type { Placed } from './place.ts';
import { placeNow } from './plan.ts';

type Warnings = Awaited<ReturnType<ApplyOptions['check']>>;

/** Where runs of engines wait for one another under their locks, and where the whole is agreed to once. */
export type Meeting = {
  /** The plan as its parts were made last. */
  readonly whole: () => SeveralPrepared;
  /** Whether a part that was planned anew may be another one than was confirmed. */
  readonly accepts: (engine: string, prepared: Prepared, plan: Plan) => boolean;
  /** Takes a part as it was planned under its lock, and waits for the others; what is to be warned of is told to the first. */
  readonly join: (engine: string, again: Prepared) => Promise<Warnings>;
  /** Resolves once all are locked; rejects with what kept one from it. */
  readonly allLocked: Deferred<void>;
  /** What the whole is warned of. */
  readonly warnings: () => Promise<Warnings>;
  /** Whether this is what was said against the whole, and no failure of one engine. */
  readonly isRefusal: (error: unknown) => boolean;
};

export function createMeeting(
  members: Members,
  confirmed: SeveralPrepared,
  makings: Makings,
  { check, acceptNewPlan }: Pick<ApplyOptions, 'check' | 'acceptNewPlan'>,
): Meeting {
  const parts = new Map(confirmed.parts.map((part) => [part.engine, part]));
  const whole = (): SeveralPrepared =>
    mergePrepared(confirmed.intent, confirmed.plan.engine, { ...confirmed, parts: [...parts.values()] });
  const allLocked = deferred<void>();
  let agreed: Promise<Warnings> | undefined;
  let refusal: unknown;
  const agree = async (): Promise<Warnings> => {
    try {
      await requireSamePlaces(members, confirmed);
      const warnings = await check(whole());
      makings.begin([...parts.values()]);
      expectPlaced(members, confirmed);
      return warnings;
    } catch (error) {
      refusal = error;
      throw error;
    }
  };
  return {
    whole,
    accepts(engine, prepared, plan) {
      parts.set(engine, { engine, prepared: { ...prepared, plan } });
      return acceptNewPlan(whole().plan);
    },
    async join(engine, again) {
      parts.set(engine, { engine, prepared: again });
      await allLocked.promise;
      const isFirst = agreed === undefined;
      agreed ??= agree();
      const warnings = await agreed;
      return isFirst ? warnings : [];
    },
    allLocked,
    warnings: async () => (await agreed) ?? [],
    isRefusal: (error) => refusal !== undefined && error === refusal,
  };
}

/** From the first step on a server may be where it shall be, also where that engine does not answer any more. */
function expectPlaced(members: Members, { intent: { project }, placed: { placings } }: SeveralPrepared): void {
  for (const member of members.all) {
    const servers = [...placings].flatMap(([name, one]) =>
      one.kind === 'on' && one.engine === member.name ? [name] : [],
    );
    members.expect(member, project, servers);
  }
}

/** Servers may be in other places by now, and so others shall be. Throws `plan-stale`. */
async function requireSamePlaces(members: Members, { intent, placed }: SeveralPrepared): Promise<void> {
  if (intent.kind !== 'files') return;
  const [now] = await placeNow(members, intent);
  const text = ({ placings, leaving }: Placed): string => JSON.stringify([[...placings], [...leaving]]);
  if (text(now) === text(placed)) return;
  throw planStale('servers are on other engines than when the plan was made');
}
