import type { EngineDescription, EngineTime } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/is-record.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { objectPath } from '../model/kinds.ts';
import { type KubeObject, timeOf } from '../model/objects.ts';
import type { Cluster } from '../port.ts';

/** The cluster as plans name it. Its id is that of a namespace which every cluster has and nobody makes anew. */
export async function describeCluster(cluster: Cluster, options?: CallOptions): Promise<EngineDescription> {
  const [version, system] = await Promise.all([
    cluster.request({ method: 'GET', path: '/version' }, options),
    orUndefined(cluster.request({ method: 'GET', path: objectPath('Namespace', undefined, 'kube-system') }, options)),
  ]);
  const said = isRecord(version) ? version : {};
  const text = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
  const [os = 'linux', architecture = ''] = text('platform').split('/');
  return {
    // Who may not read that namespace tells clusters apart by their addresses.
    id: (system as KubeObject | undefined)?.metadata.uid ?? cluster.endpoint,
    name: cluster.context,
    kind: 'kubernetes',
    version: text('gitVersion').replace(/^v/, ''),
    apiVersion: 'v1',
    os,
    architecture,
    endpoint: `${cluster.endpoint} (${cluster.context})`,
    storageDriver: '',
    canLimitStorage: true,
    canLimitSwap: false,
    canHideHost: false,
    securityModules: ['seccomp'],
    stateFolder: '',
    cpus: 0,
    memoryBytes: 0,
  };
}

/** The answer, or undefined where it is refused or not there. */
async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof LoomsError && (error.code === 'engine-rejected' || error.code === 'engine-not-found'))
      return undefined;
    throw error;
  }
}

/** What the API server's clock says, to the second: a question about oneself is answered with the time of its making. */
export async function clusterNow(cluster: Cluster, options?: CallOptions): Promise<EngineTime> {
  const version = 'authentication.k8s.io/v1';
  const path = `/apis/${version}/selfsubjectreviews`;
  const body = { apiVersion: version, kind: 'SelfSubjectReview' };
  const review = (await cluster.request({ method: 'POST', path, body }, options)) as KubeObject;
  return timeOf(review.metadata.creationTimestamp);
}
