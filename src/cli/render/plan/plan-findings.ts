import type { Source } from '../../../model/desired.ts';
import type { Change, FieldDifference, Plan } from '../../../model/plan.ts';
import { displayed, visible } from '../text.ts';
import { signOf } from './plan-text.ts';
import { blockerHint, describeBlocker, describeReasons, driftOf, fieldsOf, valuesOf } from './reasons.ts';

/** One server that is not as declared, in the words that reports for machines share. */
export type PlanFinding = {
  readonly server: string;
  readonly action: Exclude<Change['action'], 'unchanged'>;
  /** `drift`: it was changed outside looms, whatever else is to be done about it. */
  readonly drifted: boolean;
  /** `replace without downtime: the spec changed`. */
  readonly text: string;
  /** The same with its fields, over several lines. */
  readonly details: string;
  readonly source: Source | undefined;
};

/** `path: now old, declared new`: both values say what they are, since a report is read without this program's help. */
const describeField = (field: FieldDifference): string =>
  visible(`${field.path}: now ${valuesOf(field).from}, declared ${valuesOf(field).to}`);

/** `path: declared old, found new`, the way drift happened. */
const describeDrift = (field: FieldDifference): string =>
  visible(`${field.path}: declared ${valuesOf(field).to}, found ${valuesOf(field).from}`);

function detailLines(change: Change): string[] {
  const hint = change.action === 'blocked' ? blockerHint(change.why) : undefined;
  return [
    ...driftOf(change).map(describeDrift),
    ...fieldsOf(change).map(describeField),
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
  ];
}

/** What a change says in one line. */
export const describeChange = (change: Change): string =>
  `${signOf(change).verb}: ${change.action === 'blocked' ? describeBlocker(change.why) : describeReasons(change)}`;

/** All servers that are not as declared, in the plan's order. */
export function planFindings(made: Plan, sources: ReadonlyMap<string, Source>): readonly PlanFinding[] {
  const plan = displayed(made);
  const drifted = new Set<string>(plan.drift.map((drift) => drift.server));
  return plan.changes.flatMap((change) => {
    if (change.action === 'unchanged') return [];
    const text = describeChange(change);
    return [
      {
        server: change.server,
        action: change.action,
        drifted: drifted.has(change.server),
        text,
        details: [text, ...detailLines(change).map((line) => `  ${line}`)].join('\n'),
        source: sources.get(change.server),
      },
    ];
  });
}
