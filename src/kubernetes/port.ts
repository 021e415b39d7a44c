import { asContainerId, type ContainerId } from '../model/ids.ts';
import type { CallOptions, ExecSession } from '../orchestrator/session-host.ts';

/** One request to the API server. */
export type ApiRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its leading slash: `/apis/apps/v1/namespaces/looms-a/deployments/looms-fs`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** As what the answer is wanted; absent: `application/json`. */
  readonly accept?: string;
  /** Of PATCH, what the body is: the object as one manager of its fields wants it (server-side apply, the default), or a change of it. */
  readonly patch?: 'apply' | 'merge' | 'json';
};

/** A container in a pod. */
export type PodContainer = { readonly namespace: string; readonly pod: string; readonly container: string };

/**
 * What a cluster's API server can do, in our own terms. Every method throws `LoomsError`: `engine-unreachable` where nothing
 * answers, `engine-timeout`, `engine-unavailable` where the API server itself says that it cannot now (503, 504),
 * `engine-not-found` (404), `engine-conflict` (409), `engine-rejected` for what else it refuses (with a
 * hint that says which right is lacking, where one is) and for certificates that do not hold, `interrupted` when the signal aborts.
 */
export type Cluster = {
  /** The kubeconfig context, `in-cluster` for one that a pod finds itself in. */
  readonly context: string;
  /** `https://127.0.0.1:6443`, for people. */
  readonly endpoint: string;
  /** One request with its answer as parsed JSON; null where the answer is empty. */
  request(request: ApiRequest, options?: CallOptions): Promise<unknown>;
  /** The lines of an answer that goes on, as watches and logs do; not read faster than they are taken. */
  lines(request: Pick<ApiRequest, 'path' | 'query'>, options?: CallOptions): AsyncIterable<string>;
  /**
   * A process in a container (`v5.channel.k8s.io`: the end of its stdin reaches it), kept alive by pings. argv stands in the
   * URL and so in audit logs of the cluster: it never holds a secret. The signal bounds the opening. A program that cannot be
   * begun ends with exit code 126, and what the cluster says of it stands in its stderr. Throws `engine-unsupported` as well,
   * for an API server older than 1.30.
   */
  exec(at: PodContainer, argv: readonly string[], options?: CallOptions): Promise<ExecSession>;
  /** Ends connections that are kept alive. */
  close(): Promise<void>;
};

/** How the API server refused: its HTTP status, and its own word for the reason (`AlreadyExists`, `Expired`), '' for none. */
export type Refusal = {
  readonly status: number;
  readonly reason: string;
  /** Who asks has not the right to it: a 403 that no quota, policy or state of what was asked for is the reason of. */
  readonly lacksRight?: true;
};

/** The refusal that an error of `Cluster` is about; undefined where nothing was refused. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined;
  const { refusal } = error as { readonly refusal?: Refusal };
  return refusal ?? refusalOf(error.cause);
}

/** The one name of a pod in this program: by its UID first, which tells it from a later one of the same name. */
export const podId = ({ uid, namespace, name }: PodName): ContainerId => asContainerId(`${uid}/${namespace}/${name}`);

export type PodName = { readonly uid: string; readonly namespace: string; readonly name: string };

/** The pod that `podId` made an id of; undefined for an id of another engine. */
export function podOfId(id: ContainerId): PodName | undefined {
  const [uid, namespace, name, ...more] = id.split('/');
  if (uid === undefined || namespace === undefined || name === undefined || more.length > 0) return undefined;
  return { uid, namespace, name };
}
