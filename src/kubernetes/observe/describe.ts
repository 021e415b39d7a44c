import type { ClusterDescription, EngineTime } from '../../model/engine.ts';
import { isFailure } from '../../model/errors.ts';
import { isRecord } from '../../model/is-record.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { isForbidden } from '../model/forbidden.ts';
import { objectPath } from '../model/kinds.ts';
import { type KubeObject, timeOf } from '../model/objects.ts';
import { amountOf } from '../model/quantity.ts';
import type { Cluster } from '../port.ts';

/**
 * The cluster as plans name it. Its id is that of a namespace which every cluster has and nobody makes anew. Who may not look
 * at nodes is told of none.
 */
export async function describeCluster(cluster: Cluster, options?: CallOptions): Promise<ClusterDescription> {
  const get = (path: string) => cluster.request({ method: 'GET', path }, options);
  const [version, system, listed] = await Promise.all([
    get('/version'),
    orUndefined(get(objectPath('Namespace', undefined, 'kube-system'))),
    orUndefined(get('/api/v1/nodes')),
  ]);
  const said = isRecord(version) ? version : {};
  const text = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
  const nodes = ((listed as { readonly items?: readonly Node[] } | undefined)?.items ?? []).filter(
    ({ spec }) => spec?.unschedulable !== true,
  );
  const [os = '', architecture = ''] = mostOf(
    nodes.map(({ status }) => `${status?.nodeInfo?.operatingSystem ?? ''}/${status?.nodeInfo?.architecture ?? ''}`),
    text('platform'),
  ).split('/');
  const sum = (key: 'cpu' | 'memory'): number =>
    nodes.reduce((all, { status }) => all + amountOf(status?.allocatable?.[key]), 0);
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
    canLimitStorage: true,
    canLimitSwap: false,
    canLimitProcesses: false,
    canHideHost: false,
    securityModules: ['seccomp'],
    nodes: nodes.length,
    cpus: sum('cpu'),
    memoryBytes: sum('memory'),
  };
}

type Node = {
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: {
    readonly allocatable?: Readonly<Record<string, string>>;
    readonly nodeInfo?: { readonly operatingSystem?: string; readonly architecture?: string };
  };
};

/** The text that stands most often in a list. */
function mostOf(texts: readonly string[], otherwise: string): string {
  const counted = [...Map.groupBy(texts, (text) => text)].toSorted(([, a], [, b]) => b.length - a.length);
  return counted[0]?.[0] ?? otherwise;
}

/** The answer, or undefined where it may not be had or is not there. */
async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isForbidden(error) || isFailure(error, 'engine-not-found')) return undefined;
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
