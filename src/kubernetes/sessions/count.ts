import { LoomsError } from '../../model/errors.ts';
import { type ContainerId, carrierName } from '../../model/ids.ts';
import { boundedText } from '../../model/values/bounded-text.ts';
import { orAborted } from '../../model/values/or-aborted.ts';
import type { CallOptions, ExecSession } from '../../orchestrator/session-host.ts';
import { reachContainer, serverContainer } from '../model/objects.ts';
import { eachSession, lookMark } from '../objects/scripts.ts';
import type { Cluster } from '../port.ts';
import { isRunning, statusIn } from './container.ts';
import { execInPod } from './exec.ts';
import { findPod } from './look.ts';

/** Says how many sessions are in a container; what carries connections says of how many sessions they are. */
export const countScript = `${lookMark}
count=0
${eachSession}
  case $words in
    "${carrierName} "*) count=$((count + \${words#* })) ;;
    *) count=$((count + 1)) ;;
  esac
done
echo "$count"`;

/** What counting may say, bytes, and how long it may take. */
const mostBytes = 4096;
const patienceMs = 5000;

/**
 * How many sessions a pod has now, none when it is gone: processes from outside in the container of the server, and of a
 * server over HTTP in the one beside it, where one process carries the connections of all sessions of a program. Throws
 * `session-failed` where the container does not say it.
 */
export async function countSessions(cluster: Cluster, id: ContainerId, options: CallOptions = {}): Promise<number> {
  const pod = await findPod(cluster, id, options);
  const isReached = pod?.spec.containers.some(({ name }) => name === reachContainer) === true;
  const container = isReached ? reachContainer : serverContainer;
  if (pod === null || !isRunning(statusIn(pod, container))) return 0;
  const { signal } = options;
  const tooLate = AbortSignal.timeout(patienceMs);
  const bound = AbortSignal.any([tooLate, ...(signal === undefined ? [] : [signal])]);
  const failed = (detail: readonly string[]): LoomsError =>
    new LoomsError('session-failed', `the sessions in container ${container} cannot be counted`, { detail });
  let session: ExecSession | undefined;
  const stop = (): void => session?.destroy();
  bound.addEventListener('abort', stop, { once: true });
  try {
    const argv = ['sh', '-c', countScript];
    session = await execInPod(cluster, id, container, { argv }, { signal: bound });
    bound.throwIfAborted();
    session.stdin.on('error', () => {});
    session.stdin.end();
    const [said = '', complaint = ''] = await Promise.all([
      boundedText(session.stdout, mostBytes),
      boundedText(session.stderr, mostBytes),
    ]);
    bound.throwIfAborted();
    // What says too much may go on for ever.
    const isNumber = /^\d{1,9}\n$/.test(said);
    if (isNumber && (await orAborted(session.ended, bound))?.exitCode === 0) return Number(said);
    throw failed(complaint.split('\n').slice(0, 3));
  } catch (error) {
    if (signal?.aborted) throw new LoomsError('interrupted', 'stopped counting sessions');
    if (tooLate.aborted) throw failed([`no answer within ${patienceMs / 1000} s`]);
    throw error;
  } finally {
    bound.removeEventListener('abort', stop);
    session?.destroy();
  }
}
