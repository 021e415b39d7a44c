import { LoomsError } from '../../model/errors.ts';
import type { Cluster } from '../port.ts';
import type { ClusterAccess } from './find-cluster.ts';

export function connectCluster(_access: ClusterAccess): Cluster {
  throw new LoomsError('not-implemented', 'placeholder');
}
