import { isRecord } from '../model/is-record.ts';

/** The container of a pod that is the server, and the one beside it through which a server over HTTP is reached. */
export const serverContainer = 'server';
export const reachContainer = 'reach';

/** How a container of a pod runs, as the pod's status says. */
export type ContainerStatus = {
  /** Its process runs, also while its pod is being deleted: sessions go on until then. */
  readonly running: boolean;
  /** Tells one run from the next, also where two began in the same second; '' for one that never ran. */
  readonly run: string;
  /** How often it was started again. */
  readonly restarts: number;
  /** How the last run ended; 0 while it runs, and where nobody knows. */
  readonly exitCode: number;
  /** It waits to be started again, or for the first time. */
  readonly waiting: boolean;
};

const field = (value: unknown, key: string): unknown => (isRecord(value) ? value[key] : undefined);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const whole = (value: unknown): number => (Number.isSafeInteger(value) ? Number(value) : 0);

/** The UID of a pod as the API server answers it; '' where it has none. */
export const uidOf = (pod: unknown): string => text(field(field(pod, 'metadata'), 'uid'));

const named = (list: unknown, name: string): unknown =>
  Array.isArray(list) ? list.find((one) => field(one, 'name') === name) : undefined;

/** A container in a pod's spec; undefined for one that the pod does not have. */
export const containerOf = (pod: unknown, name: string): unknown =>
  named(field(field(pod, 'spec'), 'containers'), name);

/** How a container of a pod runs. A container that the status does not name never ran. */
export function containerStatus(pod: unknown, name: string): ContainerStatus {
  const status = named(field(field(pod, 'status'), 'containerStatuses'), name);
  const state = field(status, 'state');
  const runs = field(state, 'running');
  const ended = field(state, 'terminated') ?? field(field(status, 'lastState'), 'terminated');
  const startedAt = text(field(runs ?? ended, 'startedAt'));
  const restarts = whole(field(status, 'restartCount'));
  return {
    running: runs !== undefined && runs !== null,
    run: startedAt === '' ? '' : `${startedAt}#${restarts}`,
    restarts,
    exitCode: runs === undefined || runs === null ? whole(field(ended, 'exitCode')) : 0,
    waiting: (runs ?? field(state, 'terminated') ?? undefined) === undefined,
  };
}

/** The user that a container's processes run as, as its pod's spec says: `1000:1000`, `1000`; undefined where its image does. */
export function userOf(pod: unknown, name: string): string | undefined {
  const own = field(containerOf(pod, name), 'securityContext');
  const all = field(field(pod, 'spec'), 'securityContext');
  const [uid, gid] = ['runAsUser', 'runAsGroup'].map((key) => field(own, key) ?? field(all, key));
  if (typeof uid !== 'number') return undefined;
  return typeof gid === 'number' ? `${uid}:${gid}` : String(uid);
}
