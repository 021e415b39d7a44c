import type { ServerName, StepId } from '../../model/ids.ts';
import { outcomeOf } from '../common/report.ts';
import type { ApplyReport, ServerOutcome } from '../port.ts';
import { byServer, leaves, type SeveralPrepared, stepIdOn } from './merge.ts';
import type { Placed } from './place.ts';

export type EngineReport = { readonly engine: string; readonly report: ApplyReport };

const isWell = ({ outcome }: ServerOutcome): boolean => outcome === 'done' || outcome === 'unchanged';

/** What is told of a server with which something was done on two engines. */
const worse = (other: ServerOutcome | undefined, one: ServerOutcome): ServerOutcome =>
  other === undefined || (isWell(other) && one.outcome !== 'unchanged') ? one : other;

/** What became of a server on the engine where it shall be, and of what it left on another one. */
function outcomesOf(reports: readonly EngineReport[], placed: Placed): readonly ServerOutcome[] {
  const outcomes = new Map<ServerName, ServerOutcome>();
  const left: ServerOutcome[] = [];
  for (const { engine, report } of reports) {
    for (const one of report.servers) {
      if (leaves(placed, engine, one.server)) left.push(one);
      else outcomes.set(one.server, worse(outcomes.get(one.server), one));
    }
  }
  for (const old of left) {
    const made = outcomes.get(old.server);
    // What was not taken away, as its successor did not come about, serves on: that is told of the successor.
    if (made === undefined || isWell(made)) outcomes.set(old.server, { ...made, ...old });
    else if (made.outcome === 'not-serving') outcomes.set(old.server, { ...made, outcome: 'gate-failed' });
  }
  return [...outcomes.values()].toSorted(byServer);
}

/** What became of a plan on each engine, as of one plan. */
export function mergeReports({ plan, placed }: SeveralPrepared, reports: readonly EngineReport[]): ApplyReport {
  const all = <T>(of: (report: ApplyReport) => readonly T[]): readonly T[] =>
    reports.flatMap(({ report }) => of(report));
  const support = reports.flatMap(({ engine, report }) =>
    report.support.map((one) => ({ ...one, step: stepIdOn(engine, one.step) })),
  );
  const changed = outcomesOf(reports, placed);
  const untouched = plan.changes.flatMap(({ server, action }): ServerOutcome[] => {
    if (changed.some((one) => one.server === server)) return [];
    return [{ server, outcome: action === 'blocked' ? 'blocked' : 'unchanged' }];
  });
  const servers = [...changed, ...untouched].toSorted(byServer);
  return {
    plan,
    results: Object.fromEntries(
      reports.flatMap(({ engine, report }) =>
        Object.entries(report.results).map(([id, result]) => [stepIdOn(engine, id as StepId), result] as const),
      ),
    ),
    outcome: outcomeOf(servers, support.length > 0),
    servers,
    support,
    notices: all(({ notices }) => notices),
    healthy: all(({ healthy }) => healthy),
  };
}
