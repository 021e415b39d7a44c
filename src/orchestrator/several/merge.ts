import { asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import { basisOf } from '../../model/plan/plan-basis.ts';
import type { Change, Plan, PlannedEngine, PlanWarning, Step } from '../../model/plan.ts';
import type { GenerationStep } from '../../model/trail/audit.ts';
import { defined } from '../../model/values/defined.ts';
import type { Intent, Prepared } from '../port.ts';
import type { Placed } from './place.ts';

/** A plan of one engine. */
export type Part = { readonly engine: string; readonly prepared: Prepared };

/** A plan of several engines, with those that it was put together from. */
export type SeveralPrepared = Prepared & {
  /** In the order of looms.yaml. */
  readonly parts: readonly Part[];
  readonly placed: Placed;
  /** Warnings that are of none of them. */
  readonly told: readonly PlanWarning[];
};

/** Orders of lists whose entries have names of their own. */
export const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : 1;
export const byServer = (a: { readonly server: string }, b: { readonly server: string }): number =>
  a.server < b.server ? -1 : 1;

/** Of a plan that leaves every server where it is. */
export const nothingPlaced: Placed = { placings: new Map(), leaving: new Map(), warnings: [] };

/** A step's id among those of all engines. */
export const stepIdOn = (engine: string, id: StepId): StepId => asStepId(`${engine}:${id}`);

/** A step as one of all engines. */
export const stepOn = <S extends Step>(engine: string, step: S): S => ({
  ...step,
  id: stepIdOn(engine, step.id),
  engine,
  text: `${engine}: ${step.text}`,
  after: step.after.map((id) => stepIdOn(engine, id)),
  ...(step.onFailureOf === undefined ? {} : { onFailureOf: step.onFailureOf.map((id) => stepIdOn(engine, id)) }),
});

/** Whether a server goes from this engine, as another one runs it. */
export const leaves = ({ leaving }: Placed, engine: string, server: ServerName): boolean =>
  leaving.get(engine)?.includes(server) ?? false;

/** The steps of a server on the engine where it shall be, ways back left out: what has to be done before it goes elsewhere. */
export const makingOf = ({ steps }: Plan, server: ServerName): readonly StepId[] =>
  steps.flatMap((step) => (step.server === server && step.onFailureOf === undefined ? [step.id] : []));

/** A server that goes from one engine to another changes once: where it shall be. */
function changesOf(parts: readonly Part[], placed: Placed): readonly Change[] {
  const goes = new Map<ServerName, { readonly from: string; readonly change: Change }>();
  for (const { engine, prepared } of parts) {
    for (const change of prepared.plan.changes) {
      if (leaves(placed, engine, change.server)) goes.set(change.server, { from: engine, change });
    }
  }
  const moved = (change: Change, engine: string): Change => {
    const old = goes.get(change.server);
    if (old === undefined) return { ...change, engine };
    const { server } = change;
    const { container } = old.change;
    const reasons = [{ kind: 'moved', from: old.from, to: engine }] as const;
    const head = { server, engine, ...(container === undefined ? {} : { container }) };
    if (change.action === 'create') return { ...head, action: 'replace', order: 'start-first', reasons };
    if (change.action === 'unchanged') return { ...head, action: 'clean-up', reasons };
    return 'reasons' in change
      ? { ...change, engine, reasons: [...change.reasons, ...reasons] }
      : { ...change, engine };
  };
  const made = parts.flatMap(({ engine, prepared }) =>
    prepared.plan.changes.flatMap((change) => (leaves(placed, engine, change.server) ? [] : [moved(change, engine)])),
  );
  const nowhere = [...placed.placings].flatMap(([server, placing]): Change[] => {
    if (placing.kind === 'on') return [];
    const { silent, why: detail, hint } = placing;
    return [{ server, action: 'blocked', why: { kind: silent ? 'engine-silent' : 'unsupported', detail, hint } }];
  });
  return [...made, ...nowhere].toSorted(byServer);
}

function stepsOf(parts: readonly Part[], placed: Placed): readonly Step[] {
  const made = new Map(
    parts.flatMap(({ engine, prepared: { plan } }) =>
      plan.changes.flatMap(({ server }) =>
        leaves(placed, engine, server)
          ? []
          : [[server, makingOf(plan, server).map((id) => stepIdOn(engine, id))] as const],
      ),
    ),
  );
  return parts.flatMap(({ engine, prepared: { plan } }) =>
    plan.steps.map((written): Step => {
      const step = stepOn(engine, written);
      if (step.server === undefined || !leaves(placed, engine, step.server)) return step;
      return { ...step, after: [...step.after, ...(made.get(step.server) ?? [])] };
    }),
  );
}

const warningOn = (engine: string, warning: PlanWarning): PlanWarning =>
  warning.server === undefined ? { ...warning, message: `${engine}: ${warning.message}` } : warning;

const on = <T extends object>(engine: string, list: readonly T[]): readonly (T & { readonly engine: string })[] =>
  list.map((one) => ({ ...one, engine }));

function mergePlans(
  parts: readonly Part[],
  placed: Placed,
  project: Plan['project'],
  { id, name, kind, version, apiVersion, endpoint, engines }: PlannedEngine,
  warnings: readonly PlanWarning[],
): Plan {
  const all = <T extends object>(of: (plan: Plan) => readonly T[]) =>
    parts.flatMap(({ engine, prepared }) => on(engine, of(prepared.plan)));
  const changes = changesOf(parts, placed);
  const steps = stepsOf(parts, placed);
  return {
    schemaVersion: 1,
    project,
    engine: { id, name, kind, version, apiVersion, endpoint, ...defined({ engines }) },
    basis: basisOf({ changes, steps }),
    changes,
    support: all(({ support }) => support).toSorted(byName),
    images: all(({ images }) => images).toSorted((a, b) => (a.ref < b.ref ? -1 : 1)),
    steps,
    drift: all(({ drift }) => drift).toSorted(byServer),
    rotations: parts.flatMap(({ prepared }) => prepared.plan.rotations).toSorted(byServer),
    warnings: [
      ...parts.flatMap(({ engine, prepared }) => prepared.plan.warnings.map((one) => warningOn(engine, one))),
      ...placed.warnings,
      ...warnings,
    ],
  };
}

/** The generation that is there is one of the engine that a server leaves, the one after of that where it shall be. */
function generationsOf(parts: readonly Part[], placed: Placed): Prepared['generations'] {
  const all = new Map<ServerName, GenerationStep>();
  for (const { engine, prepared } of parts) {
    for (const [server, step] of prepared.generations) {
      const other = all.get(server);
      if (other === undefined) all.set(server, step);
      else if (leaves(placed, engine, server)) all.set(server, { ...other, from: step.from });
      else all.set(server, { ...step, from: other.from });
    }
  }
  return all;
}

/** The intent as it is handed over: with what `all` meant, and what was left open to the engine. */
function settled(intent: Intent, parts: readonly Part[]): Intent {
  const intents = parts.map(({ prepared }) => prepared.intent);
  if (intent.kind === 'rollback') return intents.find(({ kind }) => kind === 'rollback') ?? intent;
  if (intent.kind !== 'removal') return intent;
  const servers = intents.flatMap((one) => (one.kind === 'removal' && one.servers !== 'all' ? one.servers : []));
  return { ...intent, servers: [...new Set(servers)].sort() };
}

/** Puts plans of engines together; `engine` is all of them. */
export function mergePrepared(
  intent: Intent,
  engine: PlannedEngine,
  { parts, placed, told }: Pick<SeveralPrepared, 'parts' | 'placed' | 'told'>,
): SeveralPrepared {
  const all = <T>(of: (prepared: Prepared) => Iterable<T>): readonly T[] =>
    parts.flatMap(({ prepared }) => [...of(prepared)]);
  return {
    intent: settled(intent, parts),
    parts,
    placed,
    told,
    plan: mergePlans(parts, placed, intent.project, engine, told),
    servers: intent.kind === 'files' ? intent.servers : all(({ servers }) => servers),
    untrusted: all(({ untrusted }) => untrusted),
    records: all(({ records }) => records),
    gated: new Set(all(({ gated }) => gated)),
    made: new Set(all(({ made }) => made)),
    generations: generationsOf(parts, placed),
  };
}
