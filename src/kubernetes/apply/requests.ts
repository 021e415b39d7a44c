import { isFailure } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { fieldManager } from '../compare/compare-objects.ts';
import { type Kind, listPath, objectPath } from '../model/kinds.ts';
import type { KubeObject } from '../model/objects.ts';
import type { Cluster } from '../port.ts';

const kindOf = ({ kind }: KubeObject): Kind => kind as Kind;

/** Makes an object. Throws `engine-conflict` where one of its name is there. */
export const createObject = async (cluster: Cluster, object: KubeObject, options?: CallOptions): Promise<KubeObject> =>
  (await cluster.request(
    {
      method: 'POST',
      path: listPath(kindOf(object), object.metadata.namespace),
      query: { fieldManager },
      body: object,
    },
    options,
  )) as KubeObject;

/** Puts an object in the place of the one with this uid and version; whatever else is there by now is `engine-conflict`. */
export const replaceObject = async (
  cluster: Cluster,
  object: KubeObject,
  over: { readonly uid: string; readonly resourceVersion: string },
  options?: CallOptions,
): Promise<KubeObject> =>
  (await cluster.request(
    {
      method: 'PUT',
      path: objectPath(kindOf(object), object.metadata.namespace, object.metadata.name),
      query: { fieldManager },
      body: { ...object, metadata: { ...object.metadata, ...over } },
    },
    options,
  )) as KubeObject;

/** Deletes the object with this uid, what it owns too; one that is gone is no error, another one in its place stays. */
export async function deleteObject(
  cluster: Cluster,
  at: { readonly kind: Kind; readonly namespace?: string; readonly name: string; readonly uid: string },
  options?: CallOptions,
): Promise<void> {
  const body = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    preconditions: { uid: at.uid },
    propagationPolicy: 'Background',
  };
  try {
    await cluster.request({ method: 'DELETE', path: objectPath(at.kind, at.namespace, at.name), body }, options);
  } catch (error) {
    if (!isFailure(error, 'engine-not-found')) throw error;
  }
}

/** Writes annotations beside those that an object has; null takes one away. */
export async function annotate(
  cluster: Cluster,
  at: { readonly kind: Kind; readonly namespace: string; readonly name: string },
  annotations: Readonly<Record<string, string | null>>,
  options?: CallOptions,
): Promise<void> {
  await cluster.request(
    {
      method: 'PATCH',
      path: objectPath(at.kind, at.namespace, at.name),
      query: { fieldManager },
      patch: 'merge',
      body: { metadata: { annotations } },
    },
    options,
  );
}

/** Sets labels of the namespace with this uid, or takes them away (null). */
export async function labelNamespace(
  cluster: Cluster,
  {
    name,
    uid,
    labels,
  }: { readonly name: string; readonly uid: string; readonly labels: Readonly<Record<string, string | null>> },
  options?: CallOptions,
): Promise<void> {
  await cluster.request(
    {
      method: 'PATCH',
      path: objectPath('Namespace', undefined, name),
      query: { fieldManager },
      patch: 'merge',
      body: { metadata: { uid, labels } },
    },
    options,
  );
}

/** What the cluster's own events say of an object, the newest last: reasons and messages, which are not ours. */
export async function eventsOf(
  cluster: Cluster,
  { metadata }: KubeObject,
  options?: CallOptions,
): Promise<readonly string[]> {
  const list = await cluster.request(
    {
      method: 'GET',
      path: listPath('Event', metadata.namespace),
      query: { fieldSelector: `involvedObject.name=${metadata.name},type=Warning` },
    },
    options,
  );
  const items = isRecord(list) && Array.isArray(list.items) ? list.items : [];
  const told = items.filter(isRecord).map(({ reason, message, lastTimestamp, eventTime }) => ({
    text: `${String(reason)}: ${String(message)}`,
    at: String(lastTimestamp ?? eventTime ?? ''),
  }));
  return [...new Set(told.toSorted((a, b) => a.at.localeCompare(b.at)).map(({ text }) => text))];
}
