import { asContainerId, type ContainerId } from '../../model/ids.ts';
import type { CallOptions, ContainerRun, SessionHost } from '../../orchestrator/session-host.ts';
import { reachContainer, runOf, serverContainer, serverStatus } from '../model/objects.ts';
import type { Cluster } from '../port.ts';
import { exitCodeOf, isRunning } from './container.ts';
import { countSessions } from './count.ts';
import { execInPod } from './exec.ts';
import { readLog, tailLog } from './logs.ts';
import { findPod } from './look.ts';

/** `SessionHost.containerRunning`: the container of the server, whose image says nothing of its health here. */
async function containerRunning(
  cluster: Cluster,
  id: ContainerId,
  options?: CallOptions,
): Promise<ContainerRun | null> {
  const pod = await findPod(cluster, id, options);
  if (pod === null) return null;
  const status = serverStatus(pod);
  return { running: isRunning(status), run: runOf(status), exitCode: exitCodeOf(status), engineHealth: null };
}

/**
 * Talks to what runs in pods; ids are those of `podId`. A process in a pod runs as its container's user. Connections go
 * through the container beside the server, in which both have one address.
 */
export function kubernetesSessions(cluster: Cluster): SessionHost {
  const running: SessionHost['containerRunning'] = (id, options) => containerRunning(cluster, id, options);
  let dial: Promise<SessionHost['dial']> | undefined;
  const connectDial = async (): Promise<SessionHost['dial']> => {
    const { relayDial } = await import('../../relay/dial.ts');
    return relayDial({
      exec: (id, request, options) => execInPod(cluster, id, reachContainer, request, options),
      containerRunning: running,
      placeOf: (_container, { way, host }) => ({ relay: asContainerId(way), host }),
      hints: {
        unable: `the image of the container "${reachContainer}" needs perl, as those of Debian and Ubuntu have it`,
        foreign: `something else runs in the container "${reachContainer}": looms apply makes the pod again`,
      },
    });
  };
  return {
    exec: (id, request, options) => execInPod(cluster, id, serverContainer, request, options),
    async dial(id, port, request) {
      dial ??= connectDial();
      return (await dial)(id, port, request);
    },
    containerRunning: running,
    countSessions: (id, options) => countSessions(cluster, id, options),
    tailLog: (id, lines, options) => tailLog(cluster, id, lines, options),
    readLog: (id, query, options) => readLog(cluster, id, query, options),
  };
}
