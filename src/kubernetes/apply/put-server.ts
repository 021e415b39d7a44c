import { randomBytes } from 'node:crypto';
import type { DeclaredServer } from '../../model/desired.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ProjectName } from '../../model/ids.ts';
import { awakeBounds, within } from '../../model/replicas.ts';
import { secretUses } from '../../model/secrets/secret-names.ts';
import { type SecretPrints, writeSecretPrints } from '../../model/secrets/secret-prints.ts';
import { isAlike } from '../../model/values/alike.ts';
import { defined } from '../../model/values/defined.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { recordSpec } from '../../spec/record/record.ts';
import { signedText } from '../model/claims.ts';
import { annotation, label, secretName, secretPrint } from '../model/names.ts';
import { asHeld, type Deployment, isEnding, type KubeObject, templateHash } from '../model/objects.ts';
import { askedOf, type Generation, type Observed, type Workload } from '../model/observed.ts';
import { deploymentOf, type Made, strategyOf } from '../objects/objects.ts';
import { podLabels } from '../objects/pod.ts';
import { findObject, lookAtServer, secretsOf } from '../observe/observe.ts';
import { asRecorded, madeAsThere, withReplicas, withStop } from '../plan/drift.ts';
import { overDeployment } from '../plan/over.ts';
import { objectSettings } from '../plan/prepare.ts';
import type { KubeStep } from '../plan/steps.ts';
import type { KubernetesPorts } from '../ports.ts';
import { createObject, replaceObject } from './requests.ts';

/** How often a write is tried again that came between two writes of the Deployment's own controllers. */
export const writeTries = 5;

type PutServer = Extract<KubeStep, { op: 'put-server' }>;

/** Which values a Secret holds, by their keyed prints; without a key nothing tells two apart. */
const printOf = (prints: SecretPrints | undefined): string =>
  prints === undefined ? randomBytes(6).toString('hex') : secretPrint(prints);

/**
 * Writes the Secret that the pods of a server take its variables from, and says what it is called. It cannot be changed: other
 * values are another Secret, so that a pod that is begun again has what its generation was made with.
 */
async function putSecret(
  ports: KubernetesPorts,
  { project, namespace }: Observed,
  server: DeclaredServer,
  options: CallOptions,
): Promise<{ readonly name: string; readonly prints?: SecretPrints }> {
  const { spec } = server;
  const variables = secretUses(spec).map(({ variable }) => variable);
  if (variables.length === 0) return { name: secretName(spec.name) };
  const { values, prints } = await ports.containerSecrets(project, server);
  const name = secretName(spec.name, printOf(prints));
  const secret: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { [label.managedBy]: 'looms', [label.project]: project, ...podLabels(spec) },
    },
    immutable: true,
    type: 'Opaque',
    stringData: Object.fromEntries(variables.map((variable) => [variable, values[variable] ?? ''])),
  };
  try {
    await createObject(ports.cluster, secret, options);
  } catch (error) {
    if (!isFailure(error, 'engine-conflict')) throw error;
    await requireOwn(ports, project, secret, options);
  }
  return { name, ...(prints === undefined ? {} : { prints }) };
}

/** Labels of a Secret that say whose it is; others are those of the spec of its time. */
const ofItsServer = [label.managedBy, label.project, label.server];

/**
 * That the Secret of that name is one of the same values from an earlier generation, as far as its labels say: values are not
 * read. Throws `engine-conflict` for one that somebody else made, or that is about to go.
 */
async function requireOwn(
  { cluster }: KubernetesPorts,
  project: ProjectName,
  { metadata: { name, namespace, labels = {} } }: KubeObject,
  options: CallOptions,
): Promise<void> {
  const there = (await secretsOf(cluster, project, options)).find(({ metadata }) => metadata.name === name);
  const hasLabels = ofItsServer.every((key) => there?.metadata.labels?.[key] === labels[key]);
  if (there !== undefined && isEnding(there)) {
    throw new LoomsError('engine-conflict', `Secret ${name} is being deleted`, {
      hint: 'run the command again once it is gone',
    });
  }
  if (hasLabels) return;
  throw new LoomsError(
    'engine-conflict',
    `Secret ${name} is there, and not as looms made it: nobody knows its values`,
    {
      hint: `\`kubectl -n ${namespace} delete secret ${name}\`, then run the command again: it makes the right one`,
    },
  );
}

/** What says of a Deployment which generation it is, and who made it. */
function madeNow(
  { settings, managedBy }: KubernetesPorts,
  { project }: Observed,
  { spec, image }: DeclaredServer,
  { generation, digest }: { readonly generation: number; readonly digest: string | undefined },
  secret: { readonly name: string; readonly prints?: SecretPrints },
): Made {
  const record = recordSpec(spec, image.ref);
  const signature = settings.records.sign(signedText({ project, server: spec.name, generation, record, digest }));
  return {
    secret: secret.name,
    // One that nobody signed counts for nothing: without a key, the image is pulled by its name.
    digest: signature === undefined ? undefined : digest,
    annotations: {
      [annotation.generation]: String(generation),
      [annotation.managedBy]: managedBy,
      ...(signature === undefined ? {} : { [annotation.signature]: signature }),
      ...(secret.prints === undefined ? {} : { [annotation.secrets]: writeSecretPrints(secret.prints) }),
    },
    podAnnotations: { [annotation.generation]: String(generation) },
  };
}

/**
 * The Deployment that is there, with what the server's spec says of it by now that no pod is made from: its pods stay, whether
 * anything can be signed here or not.
 */
function recordedAnew(ports: KubernetesPorts, observed: Observed, server: DeclaredServer, there: Workload): KubeObject {
  const { secret, digest, podAnnotations } = madeAsThere(there);
  const { generation, secretPrints: prints } = there.claim;
  const made = madeNow(ports, observed, server, { generation, digest }, { name: secret, ...defined({ prints }) });
  const whole = deploymentOf(server, objectSettings(ports, observed), { ...made, digest, podAnnotations });
  return { ...whole, spec: { ...(whole.spec as object), template: there.deployment.spec.template } };
}

/**
 * Writes a server's Deployment. Throws `engine-conflict` where another one is there by now, or somebody changed what is asked
 * for since the plan was made.
 */
export async function putServer(
  ports: KubernetesPorts,
  observed: Observed,
  server: DeclaredServer,
  step: PutServer,
  options: CallOptions,
): Promise<KubeObject> {
  const settings = objectSettings(ports, observed);
  const { over, replicas, generation, digest } = step;
  const make = async (): Promise<KubeObject> => {
    const secret = await putSecret(ports, observed, server, options);
    const made = madeNow(ports, observed, server, { generation, digest }, secret);
    return deploymentOf(server, settings, made);
  };
  if (over === undefined) return createObject(ports.cluster, withReplicas(await make(), within(replicas, 1)), options);
  // Before the look: secrets may take their time, and a Deployment whose pods end again and again is written all the time.
  const made = step.newPods ? await make() : undefined;
  for (let tries = 1; ; tries += 1) {
    const there = await lookAtServer(ports, observed, server.spec.name, options);
    const isSame = there !== null && !isEnding(there.deployment) && isAlike(overDeployment(there), over);
    if (!isSame) throw changedSince(step);
    const asIs: Deployment = { ...there.deployment, apiVersion: 'apps/v1', kind: 'Deployment' };
    const again = step.counts ? recordedAnew(ports, observed, server, there) : asRecorded(there, settings);
    const stopped = withStop(made ?? again ?? asIs, replicas.most === 0);
    const object = withReplicas(stopped, within(replicas, askedOf(there)));
    const { resourceVersion = '' } = there.deployment.metadata;
    try {
      const held = asHeld(object, there.deployment);
      return await replaceObject(ports.cluster, held, { uid: over.uid, resourceVersion }, options);
    } catch (error) {
      if (!isFailure(error, 'engine-conflict') || tries >= writeTries) throw error;
    }
  }
}

const changedSince = ({ name }: PutServer): LoomsError =>
  new LoomsError('engine-conflict', `Deployment ${name} was changed since the plan was made`, {
    hint: 'run the command again to see what it would do now',
  });

/** Leaves a Deployment that this run made without pods. */
export async function putWithoutPods(
  ports: KubernetesPorts,
  { namespace }: Observed,
  { name, uid }: { readonly name: string; readonly uid: string },
  options: CallOptions,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const there = await findObject(ports.cluster, 'Deployment', namespace, name, options);
    if (there === null || there.metadata.uid !== uid) return;
    const { resourceVersion = '' } = there.metadata;
    const object = withReplicas(withStop({ ...there, apiVersion: 'apps/v1', kind: 'Deployment' }, true), 0);
    try {
      await replaceObject(ports.cluster, object, { uid, resourceVersion }, options);
      return;
    } catch (error) {
      if (!isFailure(error, 'engine-conflict') || tries >= writeTries) throw error;
    }
  }
}

/** Annotations of a past generation's pods that are Kubernetes' or its own alone. */
const ofPodsAlone = new Set<string>([annotation.generation, annotation.specHash, 'kubectl.kubernetes.io/restartedAt']);
/** What is noted on a ReplicaSet of its time, and is none of what it was made with. */
const ofItsTime = new Set<string>([
  annotation.failure,
  annotation.outcome,
  annotation.served,
  annotation.imageSeen,
  annotation.written,
  annotation.stopped,
]);

/** The Deployment that a past generation was, as its ReplicaSet tells. */
export function restored(deployment: Deployment, { claim, replicaSet }: Generation): KubeObject {
  const { template } = replicaSet.spec;
  const { [templateHash]: _, ...labels } = template.metadata?.labels ?? {};
  const notes = replicaSet.metadata.annotations ?? {};
  const ofUser = Object.entries(template.metadata?.annotations ?? {}).filter(([key]) => !ofPodsAlone.has(key));
  const own = Object.values(annotation).flatMap((key) =>
    ofItsTime.has(key) || notes[key] === undefined ? [] : [[key, notes[key]] as const],
  );
  const { name, namespace = '' } = deployment.metadata;
  const strategy = claim.recorded === undefined ? deployment.spec.strategy : strategyOf(claim.recorded.spec);
  const object: KubeObject = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels, annotations: Object.fromEntries([...ofUser, ...own]) },
    spec: {
      ...deployment.spec,
      strategy,
      replicas:
        claim.recorded === undefined ? 1 : within(awakeBounds(claim.recorded.spec), deployment.spec.replicas ?? 1),
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
  return asHeld(object, deployment);
}
