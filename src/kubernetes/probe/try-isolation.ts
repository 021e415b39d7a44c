import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { isFailure, LoomsError } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import { orAborted } from '../../model/values/or-aborted.ts';
import type { IsolationFinding } from '../../orchestrator/port.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { createObject, deleteObject, eventsOf } from '../apply/requests.ts';
import { objectPath } from '../model/kinds.ts';
import { label } from '../model/names.ts';
import { isReady, type KubeObject, type Pod, timeOf } from '../model/objects.ts';
import { clusterNow } from '../observe/describe.ts';
import { listOf } from '../observe/observe.ts';
import type { KubernetesPorts } from '../ports.ts';
import {
  connectScript,
  listeningPort,
  type ProbeName,
  probeContainer,
  probeLabel,
  probeNamespace,
  probeObjects,
} from './probe-objects.ts';

/** What each part of a probe may take, ms: pods that begin (an image is pulled), a way that opens, a policy that takes hold. */
const limits = { pods: 90_000, opening: 15_000, closing: 20_000 } as const;

/** The port of a node's kubelet, which answers on every node, if only by refusing. */
const kubeletPort = 10_250;

/** Namespaces of probes that nobody ended are taken away once they are this old, ms. */
const leftAfterMs = 600_000;

type Way = 'open' | 'refused' | 'silent';

/**
 * Tries out whether the cluster enforces NetworkPolicies: of two pods in a namespace of their own, one connects to the other
 * before and after the policy is there that every project has. All of it is deleted again. Takes seconds, and at most about two
 * minutes. Throws `image-pull-failed`, `container-start-failed` for pods that do not begin, `engine-rejected` where looms may
 * not make them, `interrupted`.
 */
export async function tryIsolation(ports: KubernetesPorts, options: CallOptions = {}): Promise<IsolationFinding> {
  const { cluster, settings } = ports;
  await removeLeftovers(ports, options);
  const objects = probeObjects(randomBytes(4).toString('hex'), settings.relayImage);
  const { metadata } = await createObject(cluster, objects.space, options);
  try {
    await withServiceAccount(ports, metadata.name, options);
    for (const pod of [objects.listener, objects.caller]) await createObject(cluster, pod, options);
    const [listener, caller] = await Promise.all([
      begun(ports, metadata.name, 'listener', options),
      begun(ports, metadata.name, 'caller', options),
    ]);
    return await look(ports, { listener, caller, deny: objects.deny }, options);
  } finally {
    await deleteObject(cluster, { kind: 'Namespace', name: metadata.name, uid: metadata.uid ?? '' });
  }
}

async function look(
  ports: KubernetesPorts,
  { listener, caller, deny }: { readonly listener: Pod; readonly caller: Pod; readonly deny: KubeObject },
  options: CallOptions,
): Promise<IsolationFinding> {
  const way = (address: string, port: number): Promise<Way> => connect(ports, caller, address, port, options);
  const other = listener.status?.podIP ?? '';
  const where = listener.spec.nodeName === caller.spec.nodeName ? 'on one node' : 'on two nodes';
  const opened = await until(ports, limits.opening, options, async () => (await way(other, listeningPort)) === 'open');
  if (!opened) {
    return {
      enforced: null,
      reachesNode: null,
      seen: `of two pods ${where} one did not reach the other, although no NetworkPolicy kept it`,
    };
  }
  await createObject(ports.cluster, deny, options);
  const denied = ports.monotonicMs();
  const closed = await until(ports, limits.closing, options, async () => (await way(other, listeningPort)) !== 'open');
  if (!closed) {
    const after = duration(ports.monotonicMs() - denied);
    return {
      enforced: false,
      reachesNode: null,
      seen: `of two pods ${where} one still reached the other ${after} after a NetworkPolicy that forbids it`,
    };
  }
  const after = duration(ports.monotonicMs() - denied);
  const node = await way(caller.status?.hostIP ?? '', kubeletPort);
  return {
    enforced: true,
    reachesNode: node !== 'silent',
    seen: `of two pods ${where} one reached the other, and no longer ${after} after a NetworkPolicy forbade it`,
  };
}

/** How long a pod may take to try a connection and to say how it ended, ms: it gives up after 2 s. */
const connectMs = 10_000;

/** How a connection from a pod of the probe ends. Throws `session-failed` where the pod does not say it in time. */
async function connect(
  { cluster }: KubernetesPorts,
  { metadata }: Pod,
  address: string,
  port: number,
  options: CallOptions,
): Promise<Way> {
  const at = { namespace: metadata.namespace ?? '', pod: metadata.name, container: probeContainer };
  const session = await cluster.exec(at, ['perl', '-e', connectScript, address, String(port)], options);
  const { signal } = options;
  const bound = AbortSignal.any([AbortSignal.timeout(connectMs), ...(signal === undefined ? [] : [signal])]);
  try {
    session.stdin.end();
    const told = await orAborted(Promise.all([text(session.stdout), text(session.stderr)]), bound);
    if (signal?.aborted) throw stopped();
    const [said, complaint] = told ?? ['', `no answer within ${duration(connectMs)}`];
    if (said === 'open' || said === 'refused' || said === 'silent') return said;
    throw new LoomsError('session-failed', 'a pod of the probe does not say what it reaches', {
      detail: complaint.split('\n').slice(0, 3),
    });
  } finally {
    session.destroy();
  }
}

const stopped = (): LoomsError => new LoomsError('interrupted', 'stopped trying out NetworkPolicies');

/** Whether a look says yes in time; it is asked at least once. */
async function until(
  { monotonicMs, pause }: KubernetesPorts,
  limitMs: number,
  { signal }: CallOptions,
  isSo: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = monotonicMs() + limitMs;
  for (;;) {
    if (signal?.aborted) throw stopped();
    if (await isSo()) return true;
    if (monotonicMs() >= deadline) return false;
    await pause(300, signal);
  }
}

/** A pod that is made before the account of its namespace is there is refused. */
async function withServiceAccount(ports: KubernetesPorts, namespace: string, options: CallOptions): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
  await until(ports, limits.opening, options, async () => {
    try {
      await ports.cluster.request({ method: 'GET', path }, options);
      return true;
    } catch (error) {
      if (isFailure(error, 'engine-not-found')) return false;
      // Who may not read it finds out when the pod is made.
      if (isFailure(error, 'engine-rejected')) return true;
      throw error;
    }
  });
}

/** Why a container does not begin that no wait mends; a first failed pull may be by chance. */
const hopeless: ReadonlySet<string> = new Set(['ImagePullBackOff', 'InvalidImageName', 'CreateContainerConfigError']);

const waitingOf = ({ status }: Pod) => status?.containerStatuses?.[0]?.state?.waiting;

async function begun(ports: KubernetesPorts, namespace: string, name: ProbeName, options: CallOptions): Promise<Pod> {
  let pod: Pod | undefined;
  const path = objectPath('Pod', namespace, name);
  const runs = await until(ports, limits.pods, options, async () => {
    pod = (await ports.cluster.request({ method: 'GET', path }, options)) as Pod;
    return isReady(pod) || pod.status?.phase === 'Failed' || hopeless.has(waitingOf(pod)?.reason ?? '');
  });
  if (pod !== undefined && runs && isReady(pod)) return pod;
  const waiting = pod && waitingOf(pod);
  const isImage = /Image|Pull/.test(waiting?.reason ?? '');
  throw new LoomsError(
    isImage ? 'image-pull-failed' : 'container-start-failed',
    `the pod ${name} of the probe did not begin: ${waiting?.message ?? pod?.status?.message ?? pod?.status?.phase ?? 'nothing is known of it'}`,
    {
      ...(isImage ? { hint: 'LOOMS_RELAY_IMAGE names the image it is made of' } : {}),
      detail: pod === undefined ? [] : (await eventsOf(ports.cluster, pod, options)).slice(-3),
    },
  );
}

/** Whether a namespace is one that `probeObjects` makes: a label alone anybody can set on any. */
const isOfProbe = ({ metadata: { name, labels = {} } }: KubeObject): boolean =>
  labels[label.managedBy] === 'looms' && name === probeNamespace(labels[probeLabel] ?? '');

/** Takes away what probes left whose program was killed. */
async function removeLeftovers(ports: KubernetesPorts, options: CallOptions): Promise<void> {
  const labelSelector = `${probeLabel},${label.managedBy}=looms`;
  const [spaces, now] = await Promise.all([
    listOf(ports.cluster, 'Namespace', undefined, { labelSelector }, options),
    clusterNow(ports.cluster, options),
  ]);
  for (const { metadata } of spaces.filter(isOfProbe)) {
    const { name, uid, creationTimestamp, deletionTimestamp } = metadata;
    if (uid === undefined || deletionTimestamp !== undefined || now - timeOf(creationTimestamp) < leftAfterMs) continue;
    await deleteObject(ports.cluster, { kind: 'Namespace', name, uid }, options);
  }
}
