import { type GenerationOutcome, generationOutcomes } from '../../model/engine.ts';
import { annotation } from './names.ts';
import { timeOf } from './objects.ts';
import type { Generation } from './observed.ts';

// Notes on a ReplicaSet are those of whoever may write to the namespace.

/** How a generation's time ended, as its ReplicaSet says; undefined where it does not. */
export function outcomeOf({ replicaSet }: Pick<Generation, 'replicaSet'>): GenerationOutcome | undefined {
  const said = replicaSet.metadata.annotations?.[annotation.outcome];
  return generationOutcomes.find((one) => one === said);
}

/** Whether a generation has passed its gate: it is noted. */
export const hasServed = ({ replicaSet }: Pick<Generation, 'replicaSet'>): boolean =>
  timeOf(replicaSet.metadata.annotations?.[annotation.served]) > 0;

/** Whether a generation served to its end, which its gate did not bring about. */
export const isGood = (generation: Pick<Generation, 'replicaSet'>): boolean =>
  hasServed(generation) && outcomeOf(generation) !== 'gate-failed';
