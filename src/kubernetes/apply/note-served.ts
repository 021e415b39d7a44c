import { messageOf } from '../../model/failure.ts';
import type { ServerName } from '../../model/ids.ts';
import { isoTime } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { aboutPods, isSameRevision, seenText } from '../model/claims.ts';
import { digestSeen, writeSeen } from '../model/image-digest.ts';
import { annotation } from '../model/names.ts';
import { type KubeObject, type Pod, serverIn, serverStatus } from '../model/objects.ts';
import type { Generation, Observed } from '../model/observed.ts';
import { hasServed } from '../model/served.ts';
import { signWritten } from '../model/written.ts';
import { clusterNow } from '../observe/describe.ts';
import { podsPrint } from '../plan/over.ts';
import type { KubernetesPorts } from '../ports.ts';
import { annotate } from './requests.ts';

type NoteEnvironment = {
  readonly ports: KubernetesPorts;
  readonly observed: Observed;
  /** Whether an earlier generation is gone back to, so that the one that is left was given up. */
  readonly rollsBack: boolean;
  /** As in `StepEnvironment`. */
  readonly written: ReadonlyMap<ServerName, KubeObject>;
  readonly begun: ReadonlyMap<ServerName, number>;
};

/** What is kept of the image that a pod was seen with, signed; null where nothing of it can be pulled again or signed. */
function imageSeen({ ports, observed: { project } }: NoteEnvironment, { claim, replicaSet }: Generation, pod: Pod) {
  const { image } = serverIn(replicaSet.spec.template.spec) ?? {};
  const digest = digestSeen(image ?? '', serverStatus(pod)?.imageID);
  if (digest === undefined) return null;
  const signature = ports.settings.records.sign(seenText({ ...claim, project, digest }));
  return signature === undefined ? null : writeSeen(digest, signature);
}

/**
 * What this run asked the pods of a generation to be, as the cluster took it, signed; undefined where another one made them, or
 * nothing can be signed. A write that leaves the pods as they are tells nothing of who made them so.
 */
function podsWritten({ ports, observed, written, begun }: NoteEnvironment, { claim }: Generation): string | undefined {
  const deployment = begun.get(claim.server) === claim.generation ? written.get(claim.server) : undefined;
  if (deployment === undefined) return undefined;
  const about = aboutPods({ ...claim, project: observed.project });
  return signWritten(about, { by: ports.managedBy, print: podsPrint(deployment) }, ports.settings.records);
}

/**
 * Notes that a generation has passed its gate, with which image and pods, and of the one that a rollback leaves that it was given
 * up. Why it could not be noted, for people: the server serves all the same.
 */
export async function noteServed(
  env: NoteEnvironment,
  generation: Generation,
  pod: Pod,
  options: CallOptions,
): Promise<string | undefined> {
  const { ports, observed, rollsBack } = env;
  const { claim, replicaSet } = generation;
  const at = ({ metadata }: KubeObject) =>
    ({ kind: 'ReplicaSet', namespace: observed.namespace, name: metadata.name }) as const;
  const before = observed.servers.find(({ server }) => server === claim.server)?.generations ?? [];
  const left = before.findLast(
    (one) =>
      one.replicaSet.metadata.uid !== replicaSet.metadata.uid &&
      !isSameRevision(one.claim, claim) &&
      (one.isMeant || hasServed(one)),
  );
  try {
    const served = isoTime(await clusterNow(ports.cluster, options));
    const notes = {
      [annotation.served]: served,
      [annotation.imageSeen]: imageSeen(env, generation, pod),
      ...defined({ [annotation.written]: podsWritten(env, generation) }),
      [annotation.outcome]: null,
      [annotation.failure]: null,
    };
    await annotate(ports.cluster, at(replicaSet), notes, options);
    if (rollsBack && left !== undefined)
      await annotate(ports.cluster, at(left.replicaSet), { [annotation.outcome]: 'rolled-back' }, options);
    return undefined;
  } catch (error) {
    return `that it passed could not be noted: ${messageOf(error)}`;
  }
}
