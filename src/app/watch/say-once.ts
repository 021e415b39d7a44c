import type { Failure } from '../../model/events.ts';
import type { ServerName } from '../../model/ids.ts';
import { isInSync, type Plan, type PlanWarning } from '../../model/plan.ts';
import type { Dependency, LeftAlone, Told } from './told.ts';

type Said = {
  readonly away: (what: Dependency, failure: Failure) => void;
  /** The source cannot be used; how many servers it declared last, null for none yet. */
  readonly unusable: (failure: Failure, keeps: number | null) => void;
  readonly back: (what: Dependency | 'source') => void;
  readonly refused: (failure: Failure) => void;
  readonly accepted: () => void;
  readonly drift: (plan: Plan) => void;
  /** What a plan warns of, all of it. */
  readonly warned: (warnings: readonly PlanWarning[]) => void;
  readonly left: (held: ReadonlyMap<ServerName, LeftAlone>) => void;
};

/** With its detail: what is wrong with a file, or whose rule is broken, is only there. */
const inFull = ({ code, message, detail }: Failure): string => [code, message, ...detail].join('\n');

/** Tells what stays so once, and that it is over. */
export function sayOnce(tell: (told: Told) => void): Said {
  const away = new Map<Dependency, Set<string>>();
  let unusable: string | undefined;
  let refusal: string | undefined;
  let drift: string | undefined;
  let warned: ReadonlySet<string> = new Set();
  let left = new Map<ServerName, string>();
  return {
    away(what, failure) {
      const said = away.get(what) ?? new Set();
      // What hangs is found so in more than one way, in turn: each is told once until it is back.
      const text = `${failure.code} ${failure.message}`;
      if (!said.has(text)) tell({ type: 'away', what, failure });
      away.set(what, said.add(text));
    },
    unusable(failure, keeps) {
      const text = inFull(failure);
      if (unusable !== text) tell({ type: 'source-unusable', failure, keeps });
      unusable = text;
    },
    back(what) {
      const wasGone = what === 'source' ? unusable !== undefined : away.delete(what);
      if (what === 'source') unusable = undefined;
      if (wasGone) tell({ type: 'back', what });
    },
    refused(failure) {
      const text = inFull(failure);
      if (refusal !== text) tell({ type: 'refused', failure });
      refusal = text;
    },
    accepted() {
      refusal = undefined;
    },
    drift(plan) {
      const now = isInSync(plan) ? undefined : plan.basis;
      if (now !== undefined && now !== drift) tell({ type: 'drift', plan });
      drift = now;
    },
    warned(warnings) {
      // Words about one server may count minutes: whose they are says whether it is the same. Other words name who they
      // are about, which may be more by now; and those about a field of it are one of several.
      const keyOf = ({ code, server, message, at }: PlanWarning): string =>
        at === undefined ? `${code} ${server ?? message}` : `${code} ${server} ${message}`;
      const now = new Map(warnings.map((warning) => [keyOf(warning), warning]));
      for (const [key, warning] of now) if (!warned.has(key)) tell({ type: 'warning', ...warning });
      warned = new Set(now.keys());
    },
    left(held) {
      const now = new Map(
        [...held].map(([server, one]) => {
          if (one.why === 'waiting') return [server, `waiting ${one.repairs}`];
          return [server, one.why === 'without-secrets' ? inFull(one.failure) : one.why];
        }),
      );
      for (const [server, one] of held)
        if (left.get(server) !== now.get(server)) tell({ type: 'left-alone', server, left: one });
      left = now;
    },
  };
}
