import type { ClusterWish, DockerWish } from './engine-choice.ts';
import type { SingleSource, SourceParts } from './source-parts.ts';

/** Looks for an engine of one kind, and loads nothing of the other. Throws what the source of its kind throws. */
export const singleSource = async (wish: DockerWish | ClusterWish, parts: SourceParts): Promise<SingleSource> =>
  wish.kind === 'docker'
    ? (await import('./docker-source.ts')).dockerSource(wish, parts)
    : (await import('./cluster-source.ts')).clusterSource(wish, parts);
