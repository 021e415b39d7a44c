import { messageOf } from '../../model/failure.ts';
import { isoTime } from '../../model/times.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { isSameRevision, seenText } from '../model/claims.ts';
import { digestSeen, writeSeen } from '../model/image-digest.ts';
import { annotation } from '../model/names.ts';
import { type KubeObject, type Pod, serverIn, serverStatus } from '../model/objects.ts';
import type { Generation, Observed } from '../model/observed.ts';
import { hasServed } from '../model/served.ts';
import { clusterNow } from '../observe/describe.ts';
import type { KubernetesPorts } from '../ports.ts';
import { annotate } from './requests.ts';

type NoteEnvironment = {
  readonly ports: KubernetesPorts;
  readonly observed: Observed;
  /** Whether an earlier generation is gone back to, so that the one that is left was given up. */
  readonly rollsBack: boolean;
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
 * Notes that a generation has passed its gate and with which image, and of the one that a rollback leaves that it was given
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
