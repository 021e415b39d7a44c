import { LoomsError } from '../../model/errors.ts';
import type { ContainerId } from '../../model/ids.ts';
import type { CallOptions, ExecRequest, ExecSession } from '../../orchestrator/session-host.ts';
import { isEnding, type Pod } from '../model/objects.ts';
import { type Cluster, refusalOf } from '../port.ts';
import { isRunning, statusIn, userIn } from './container.ts';
import { podNamed, readPod } from './look.ts';
import { needsPrelude, prelude, preludeInput } from './prelude.ts';

/** Throws where a container of a pod is not one that the request can run in. */
function requireFit(pod: Pod, container: string, { user }: ExecRequest): void {
  const { name } = pod.metadata;
  if (!isRunning(statusIn(pod, container))) {
    throw new LoomsError('server-not-running', `container ${container} of pod ${name} does not run`);
  }
  const own = userIn(pod, container);
  if (user !== undefined && user !== own) {
    throw new LoomsError(
      'engine-unsupported',
      `a process in pod ${name} runs as the user of its container (${own ?? 'that of its image'}), and not as ${user}`,
    );
  }
}

/**
 * Why a process was not begun. A node answers 500 for a container that has ended, which the API server may not have heard of yet:
 * of a pod that is being ended, as when it was replaced, that is what it stands for. Throws `engine-not-found` where it is gone.
 */
async function whyNot(
  error: unknown,
  cluster: Cluster,
  id: ContainerId,
  container: string,
  options: CallOptions,
): Promise<unknown> {
  if (refusalOf(error)?.status !== 500) return error;
  const pod = await readPod(cluster, id, options);
  if (isRunning(statusIn(pod, container)) && !isEnding(pod)) return error;
  const message = `container ${container} of pod ${pod.metadata.name} does not run any more`;
  return new LoomsError('server-not-running', message, { cause: error });
}

/**
 * Starts a process in a container of a pod. That the pod is the one of the id, and runs, is asked at the same time: what is
 * secret goes to the process only then, and one that was begun in another pod of that name ends without it.
 */
export async function execInPod(
  cluster: Cluster,
  id: ContainerId,
  container: string,
  request: ExecRequest,
  options: CallOptions = {},
): Promise<ExecSession> {
  const { namespace, name } = podNamed(id);
  const input = needsPrelude(request) ? preludeInput(request) : undefined;
  const argv = input === undefined ? request.argv : ['sh', '-c', prelude, 'sh', ...request.argv];
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  if (options.signal?.aborted) stop();
  options.signal?.addEventListener('abort', stop, { once: true });
  const opening = cluster.exec({ namespace, pod: name, container }, argv, { signal: controller.signal });
  opening.catch(() => {}); // What the look at the pod says is said first.
  try {
    requireFit(await readPod(cluster, id, options), container, request);
    const session = await opening;
    if (input !== undefined) session.stdin.write(input);
    return session;
  } catch (error) {
    stop();
    opening.then(
      (late) => late.destroy(),
      () => {},
    );
    throw await whyNot(error, cluster, id, container, options);
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}
