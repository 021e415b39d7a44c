import { assertNever } from '../../model/errors.ts';
import { asStepId, type ServerName, type StepId } from '../../model/ids.ts';
import type { Reason } from '../../model/plan.ts';
import { isUp } from '../model/generations.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Operation, StepDraft } from '../steps.ts';

type StepOptions = { readonly after?: readonly StepId[]; readonly onFailureOf?: readonly StepId[] };

export const stepId = (server: ServerName, what: string): StepId => asStepId(`${server}/${what}`);

/** A container or a record among those of its server, as ids of steps have it: `g3-1f2e3d`, `h3-1f2e3d`. */
export const tagOf = (letter: 'g' | 'h', { generation, id }: Pick<ObservedContainer, 'generation' | 'id'>): string =>
  `${letter}${generation}-${id.slice(0, 6)}`;

/** A step of a server's own change, with the id `<server>/<what>`. */
export const step = (server: ServerName, what: string, operation: Operation, options: StepOptions = {}): StepDraft => ({
  id: stepId(server, what),
  server,
  cause: { kind: 'change', server },
  after: options.after ?? [],
  ...(options.onFailureOf === undefined ? {} : { onFailureOf: options.onFailureOf }),
  ...operation,
});

/** A step that is of no single server. */
export const supportStep = <O extends Operation>(
  id: string,
  why: string,
  operation: O,
  after: readonly StepId[] = [],
) => ({ id: asStepId(id), cause: { kind: 'support', why } as const, after, ...operation });

/** What is done to a container or a record that is there. */
export const on = <Op extends 'start-container' | 'unpause-container' | 'stop-container' | 'remove-container'>(
  op: Op,
  { id, name }: Pick<ObservedContainer, 'id' | 'name'>,
) => ({ op, target: { id }, name });

/** Why a container does not do its work as it is; undefined where it runs. */
export function stateReason(container: ObservedContainer): Reason | undefined {
  const { state } = container;
  switch (state.status) {
    case 'created':
      return { kind: 'not-started' };
    case 'exited':
      return { kind: 'exited', exitCode: state.exitCode, outOfMemory: state.oomKilled };
    case 'restarting':
      return { kind: 'unhealthy', why: `it restarts again and again, last exit code ${state.exitCode}` };
    case 'running':
      return state.paused ? { kind: 'paused' } : undefined;
    case 'dead':
      return { kind: 'unhealthy', why: 'the engine reports it as dead' };
    default:
      return assertNever(state);
  }
}

/** Drain and stop one container, in that order; what does not run needs neither. */
export function halt(
  server: ServerName,
  container: ObservedContainer,
  drainSeconds: number,
  what: string,
  after: readonly StepId[],
): StepDraft[] {
  const { id, name } = container;
  if (!isUp(container)) return [];
  const drain =
    drainSeconds > 0
      ? [step(server, `drain:${what}`, { op: 'drain', target: { id }, name, seconds: drainSeconds }, { after })]
      : [];
  const drained = drain.length === 0 ? after : drain.map((one) => one.id);
  return [...drain, step(server, `stop:${what}`, on('stop-container', container), { after: drained })];
}

/** The steps after which what is halted runs no more. */
export const stopsIn = (halting: readonly StepDraft[]): StepId[] =>
  halting.flatMap(({ id, op }) => (op === 'stop-container' ? [id] : []));

/** A container as it is once it was halted. */
export const halted = (container: ObservedContainer): ObservedContainer => ({
  ...container,
  state: { status: 'exited', exitCode: 0, finishedAt: container.createdAt, oomKilled: false },
});

/** Drain and stop a container that runs, then remove it; the removal also waits for the record of it. */
export function retire(
  server: ServerName,
  container: ObservedContainer,
  drainSeconds: number,
  what: string,
  after: readonly StepId[],
  recorded: readonly StepId[] = [],
): StepDraft[] {
  const halting = halt(server, container, drainSeconds, what, after);
  const before = halting.length === 0 ? after : stopsIn(halting);
  const removal = on('remove-container', container);
  return [...halting, step(server, `remove:${what}`, removal, { after: [...before, ...recorded] })];
}

/** Removes containers one beside the other; without `patience` none waits for its sessions, else so many seconds at most. */
export const retireEach = (
  server: ServerName,
  containers: readonly ObservedContainer[],
  after: readonly StepId[],
  patience: (container: ObservedContainer) => number = () => 0,
): StepDraft[] => containers.flatMap((one) => retire(server, one, patience(one), tagOf('g', one), after));

/** A step that removes a container. */
export type Removal = StepDraft & Extract<Operation, { op: 'remove-container' }>;

/** The steps that remove a container for good: not on a way back. */
export const removalsIn = (steps: readonly StepDraft[]): Removal[] =>
  steps.filter((one): one is Removal => one.op === 'remove-container' && one.onFailureOf === undefined);

/** What makes a container that is there run; undefined for one that does, or that the engine restarts by itself. */
export function startOperationFor(container: ObservedContainer): Operation | undefined {
  const { state } = container;
  if (state.status === 'running') return state.paused ? on('unpause-container', container) : undefined;
  return state.status === 'restarting' ? undefined : on('start-container', container);
}
