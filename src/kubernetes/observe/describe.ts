import { performance } from 'node:perf_hooks';
import type { ClusterDescription, EngineTime } from '../../model/engine.ts';
import { isFailure } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { discoveryPath, objectPath, pluralOf } from '../model/kinds.ts';
import { type KubeObject, timeOf } from '../model/objects.ts';
import { amountOf } from '../model/quantity.ts';
import { isExpired, isForbidden } from '../model/refusals.ts';
import type { Cluster } from '../port.ts';

/** The cluster as plans and lists name it; of its nodes nothing is asked. Its id is that of a namespace which every cluster has and nobody makes anew. */
export async function identifyCluster(cluster: Cluster, options?: CallOptions): Promise<ClusterDescription> {
  const get = (path: string) => cluster.request({ method: 'GET', path }, options);
  const [version, system, cilium] = await Promise.all([
    get('/version'),
    orUndefined(get(objectPath('Namespace', undefined, 'kube-system'))),
    orUndefined(get(discoveryPath('CiliumNetworkPolicy'))),
  ]);
  const said = isRecord(version) ? version : {};
  const text = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
  const [os = '', architecture = ''] = text('platform').split('/');
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
    canLeadByName: (cilium as Discovered | undefined)?.resources?.some(isOfNames) ?? false,
    nodes: 0,
    cpus: 0,
    memoryBytes: 0,
  };
}

/** The kinds of a group (APIResourceList). */
type Discovered = { readonly resources?: readonly { readonly name: string }[] };

const isOfNames = ({ name }: { readonly name: string }): boolean => name === pluralOf('CiliumNetworkPolicy');

/** The cluster with what its nodes give. Who may not look at nodes is told of none. */
export async function describeCluster(cluster: Cluster, options?: CallOptions): Promise<ClusterDescription> {
  const [described, listed = []] = await Promise.all([
    identifyCluster(cluster, options),
    orUndefined(listNodes(cluster, options)),
  ]);
  const nodes = listed.filter(({ spec }) => spec?.unschedulable !== true);
  const [os = '', architecture = ''] = mostOf(
    nodes.map(({ status }) => `${status?.nodeInfo?.operatingSystem ?? ''}/${status?.nodeInfo?.architecture ?? ''}`),
    `${described.os}/${described.architecture}`,
  ).split('/');
  const sum = (key: 'cpu' | 'memory'): number =>
    nodes.reduce((all, { status }) => all + amountOf(status?.allocatable?.[key]), 0);
  return { ...described, os, architecture, nodes: nodes.length, cpus: sum('cpu'), memoryBytes: sum('memory') };
}

/** Nodes that one answer holds: each is some 20 kB, most of it the images that it has. */
const nodesAtOnce = 500;

/** A list that took longer than the API server keeps its place is begun anew, once. */
const listNodes = (cluster: Cluster, options?: CallOptions): Promise<readonly Node[]> =>
  readNodes(cluster, options).catch((error: unknown) => {
    if (isExpired(error)) return readNodes(cluster, options);
    throw error;
  });

async function readNodes(cluster: Cluster, options?: CallOptions): Promise<readonly Node[]> {
  const nodes: Node[] = [];
  for (let next = ''; ; ) {
    const query = { limit: String(nodesAtOnce), ...(next === '' ? {} : { continue: next }) };
    const page = (await cluster.request({ method: 'GET', path: '/api/v1/nodes', query }, options)) as NodeList;
    nodes.push(...(page.items ?? []));
    next = page.metadata?.continue ?? '';
    if (next === '') return nodes;
  }
}

type NodeList = { readonly items?: readonly Node[]; readonly metadata?: { readonly continue?: string } };

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

/** How far the clock of a cluster is ahead of the one of this program that never goes back, ms. */
const ahead = new WeakMap<Cluster, number>();

/** Keeps what an answer with a time to the second tells of that: it was made between two moments here. */
function noteTime(cluster: Cluster, time: EngineTime, sent: number, answered: number): void {
  if (time === 0) return;
  const [least, most] = [time - answered, time + 1000 - sent];
  const known = ahead.get(cluster) ?? (least + most) / 2;
  ahead.set(cluster, Math.min(most, Math.max(least, known)));
}

/** What the API server's clock says by now, as far as it was asked before; undefined where it was not. */
export function clusterTime(cluster: Cluster): EngineTime | undefined {
  const by = ahead.get(cluster);
  return by === undefined ? undefined : Math.round(performance.now() + by);
}

/** What the API server's clock says, to the second: a question about oneself is answered with the time of its making. */
export async function clusterNow(cluster: Cluster, options?: CallOptions): Promise<EngineTime> {
  const version = 'authentication.k8s.io/v1';
  const path = `/apis/${version}/selfsubjectreviews`;
  const body = { apiVersion: version, kind: 'SelfSubjectReview' };
  const sent = performance.now();
  const review = (await cluster.request({ method: 'POST', path, body }, options)) as KubeObject;
  const time = timeOf(review.metadata.creationTimestamp);
  noteTime(cluster, time, sent, performance.now());
  return time;
}
