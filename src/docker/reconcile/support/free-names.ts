import { shortId } from '../../../model/ids.ts';
import { containerName, type Role } from '../../model/labels.ts';
import type { Observed, ObservedContainer } from '../../model/observed.ts';
import type { StepDraft } from '../../steps.ts';
import { supportStep } from '../step-builders.ts';

/** The name that a step gives to a container. */
const nameGiven = (step: StepDraft): string | undefined => {
  if (step.op === 'rename-container') return step.to;
  return step.op === 'create-container' ? step.container.name : undefined;
};

/** A container or a record of one: both hold their names. */
type Holder = Pick<ObservedContainer, 'id' | 'name' | 'server'> & { readonly role?: Role };

const isAbout = (step: StepDraft, { id }: Holder): boolean =>
  'target' in step && 'id' in step.target && step.target.id === id;

/**
 * Whether the name is free when a step's turn comes: the same server's steps take it from a generation of it, or the
 * holder is removed first.
 */
function makesRoom(holder: Holder, step: StepDraft, steps: readonly StepDraft[]): boolean {
  if (isAbout(step, holder)) return true;
  if (step.op === 'rename-container' && holder.role === 'server' && holder.server === step.server) return true;
  return steps.some((one) => one.op === 'remove-container' && isAbout(one, holder) && step.after.includes(one.id));
}

/** Not the name of a generation: a container that was moved aside has served, and is assessed as one that was renamed. */
function nameAside({ id, name, server }: Holder, { project }: Observed, isHeld: (name: string) => boolean): string {
  const aside = (length: number): string =>
    `${server === undefined ? name : containerName(project, server)}.aside-${id.slice(0, length)}`;
  // Somebody can have given the first one to another container by hand.
  return [6, 12].map(aside).find((free) => !isHeld(free)) ?? aside(id.length);
}

/**
 * Lets a container of this project that was given another one's name by hand make room first, so that servers whose
 * names were mixed up come right in one run. A container of someone else's is never moved: its name is a blocker.
 */
export function withFreeNames(steps: readonly StepDraft[], observed: Observed): readonly StepDraft[] {
  const moves = new Map<Holder, StepDraft>();
  const holders = new Map<string | undefined, Holder>();
  // The first one counts, so that a container comes before a record of its name.
  for (const one of [...observed.history, ...observed.containers].reverse()) holders.set(one.name, one);
  const hold = steps.map((step) => {
    const holder = holders.get(nameGiven(step));
    if (holder === undefined || makesRoom(holder, step, steps)) return undefined;
    const { id, name: from } = holder;
    const to = nameAside(holder, observed, (name) => holders.has(name));
    const move = { op: 'rename-container', target: { id }, from, to } as const;
    moves.set(holder, supportStep(`name:${shortId(id)}/free`, `${from} is the name of another container`, move));
    return moves.get(holder)?.id;
  });
  if (moves.size === 0) return steps;
  const held = steps.map((step, index) => {
    const own = [...moves].filter(([holder]) => isAbout(step, holder)).map(([, move]) => move.id);
    const first = [hold[index], ...own].filter((id) => id !== undefined);
    return first.length === 0 ? step : { ...step, after: [...step.after, ...first] };
  });
  return [...[...moves.values()].sort((a, b) => (a.id < b.id ? -1 : 1)), ...held];
}
