import type { ContainerState } from '../../model/engine.ts';
import type { ServerState } from '../../model/server-view.ts';
import { isReady, type Pod, serverStatus, timeOf } from '../model/objects.ts';
import { type Generation, isAsleep, mainPod, type Workload } from '../model/observed.ts';

/** How a pod's server is, as its node tells. */
export function statusOf(pod: Pod | undefined): ContainerState {
  const status = pod && serverStatus(pod);
  const { running, terminated } = status?.state ?? {};
  if (running !== undefined) return { status: 'running', startedAt: timeOf(running.startedAt), paused: false };
  const last = terminated ?? status?.lastState?.terminated;
  if (last === undefined) return { status: 'created' };
  if (terminated === undefined) return { status: 'restarting', exitCode: last.exitCode };
  return {
    status: 'exited',
    exitCode: terminated.exitCode,
    finishedAt: timeOf(terminated.finishedAt),
    oomKilled: terminated.reason === 'OOMKilled',
  };
}

/** How a server is doing: it runs once a pod of it is ready. */
export function stateOf(workload: Workload, generation: Generation | undefined): ServerState {
  const { deployment, claim } = workload;
  if (isAsleep(workload)) return 'asleep';
  if (deployment.spec.replicas === 0) return claim.recorded?.spec.enabled === false ? 'disabled' : 'stopped';
  if (generation?.pods.some(isReady)) return 'running';
  const { status } = statusOf(generation && mainPod(generation));
  return status === 'restarting' || status === 'exited' ? 'restarting' : 'pending';
}
