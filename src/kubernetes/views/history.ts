import type { ServerName } from '../../model/ids.ts';
import { compareSpecs } from '../../model/plan/compare-specs.ts';
import type { GenerationView } from '../../model/server-view.ts';
import type { Claim } from '../model/claims.ts';
import { withDigest } from '../model/image-digest.ts';
import { annotation } from '../model/names.ts';
import { isEnding, serverIn, serverStatus, timeOf } from '../model/objects.ts';
import {
  type Generation,
  idOfGeneration,
  mainPod,
  type Observed,
  shownOf,
  type Workload,
  workloadOf,
} from '../model/observed.ts';
import { hasServed, outcomeOf } from '../model/served.ts';
import { stateOf } from './state.ts';

/** What stands for the failure of a generation that went before any run saw it pass its gate. */
const neverSeen = 'interrupted: no run saw it pass its gate';

/** The image that a generation's pods had, by the digest of it where one is known. */
const imageThen = (image: string, { image: known }: Claim): string =>
  known === undefined ? image : withDigest(image, known.digest);

function entryOf(
  generation: Generation,
  next: Generation | undefined,
  workload: Workload,
): Omit<GenerationView, 'changes'> {
  const { claim, replicaSet, pods } = generation;
  const isLive = pods.some((one) => !isEnding(one));
  const pod = mainPod(generation);
  const container = serverIn(replicaSet.spec.template.spec);
  const isPast = generation !== shownOf(workload) && !isLive;
  const said = outcomeOf(generation);
  const isUnseen = isPast && said === undefined && !hasServed(generation);
  const outcome = isUnseen ? 'gate-failed' : (said ?? 'replaced');
  return {
    generation: claim.generation,
    container: idOfGeneration(generation, workload.deployment),
    image: claim.recorded?.image ?? container?.image ?? '',
    imageId: (pod && serverStatus(pod)?.imageID) ?? imageThen(container?.image ?? '', claim),
    source: claim.source ?? null,
    specHash: claim.specHash,
    ...(claim.recorded === undefined ? {} : { recorded: claim.recorded }),
    state: isPast || outcome === 'gate-failed' ? outcome : stateOf(workload, generation),
    live: isLive,
    failure: replicaSet.metadata.annotations?.[annotation.failure] ?? (isUnseen ? neverSeen : null),
    since: timeOf(replicaSet.metadata.creationTimestamp) || null,
    until: isPast && next !== undefined ? timeOf(next.replicaSet.metadata.creationTimestamp) || null : null,
  };
}

/** `Orchestrator.history`: a server's ReplicaSets, each with the record that its Deployment had. */
export function historyOf(observed: Observed, server: ServerName): readonly GenerationView[] {
  const workload = workloadOf(observed, server);
  const { generations } = workload;
  const entries = generations.map((one, index) => entryOf(one, generations[index + 1], workload));
  return entries
    .map((entry, index): GenerationView => {
      // What never served is nothing to be compared with.
      const before = entries.slice(0, index).findLast(({ state }) => state !== 'gate-failed');
      const known = before?.recorded !== undefined && entry.recorded !== undefined;
      return { ...entry, changes: known ? compareSpecs(before.recorded, entry.recorded) : null };
    })
    .reverse();
}
