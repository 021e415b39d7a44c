import type { ContainerStatus, Pod } from '../model/objects.ts';

/** How a container of a pod is; undefined where its node has not told yet. */
export const statusIn = ({ status }: Pod, container: string): ContainerStatus | undefined =>
  status?.containerStatuses?.find(({ name }) => name === container);

/** Whether its process runs, also while its pod is being deleted: sessions go on until then. */
export const isRunning = (status: ContainerStatus | undefined): boolean => status?.state?.running !== undefined;

/** How its last run ended, where that is known. */
const lastEnd = (status: ContainerStatus | undefined) => status?.state?.terminated ?? status?.lastState?.terminated;

/** The exit code of its last run; 0 while it runs, and where nobody knows. */
export const exitCodeOf = (status: ContainerStatus | undefined): number =>
  isRunning(status) ? 0 : (lastEnd(status)?.exitCode ?? 0);

/** Whether it ever ran. */
export const hasRun = (status: ContainerStatus | undefined): boolean =>
  isRunning(status) || lastEnd(status) !== undefined;

/** The user that its processes run as, `1000:1000` or `1000`; undefined where its image says it. */
export function userIn({ spec }: Pod, container: string): string | undefined {
  const { runAsUser: uid, runAsGroup: gid } =
    spec.containers.find(({ name }) => name === container)?.securityContext ?? {};
  if (uid === undefined) return undefined;
  return gid === undefined ? String(uid) : `${uid}:${gid}`;
}
