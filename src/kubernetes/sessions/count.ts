import { text } from 'node:stream/consumers';
import { LoomsError } from '../../model/errors.ts';
import { type ContainerId, keeperName } from '../../model/ids.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { reachContainer, serverContainer } from '../model/objects.ts';
import { scriptsFolder } from '../objects/scripts.ts';
import type { Cluster } from '../port.ts';
import { isRunning, statusIn } from './container.ts';
import { execInPod } from './exec.ts';
import { findPod } from './look.ts';

/**
 * Says how many processes came into a container from outside, which have no parent in there. $0: where the scripts are that
 * the cluster itself runs in it, as probes and before its end. Those are no sessions, nor is what keeps sessions, nor this.
 */
export const countScript = `count=0
for dir in /proc/[1-9]*; do
  id=\${dir#/proc/}
  [ "$id" -gt 1 ] && [ "$id" != "$$" ] && read -r line 2>/dev/null <"$dir/stat" || continue
  name=\${line%)*} name=\${name#*(}
  [ "$name" = "${keeperName}" ] && continue
  set -- \${line##*) }
  [ "$2" = 0 ] && [ "$1" != Z ] || continue
  words=
  read -r words 2>/dev/null <"$dir/cmdline"
  case $words in "/bin/sh$0/"* | "perl$0/"*) continue ;; esac
  count=$((count + 1))
done
echo "$count"`;

/**
 * How many sessions a pod has now, none when it is gone: processes from outside in the container of the server, and of a
 * server over HTTP in the one beside it, where each stands for all connections of a program. Throws `session-failed`
 * where the container cannot say it.
 */
export async function countSessions(cluster: Cluster, id: ContainerId, options: CallOptions = {}): Promise<number> {
  const pod = await findPod(cluster, id, options);
  const isReached = pod?.spec.containers.some(({ name }) => name === reachContainer) === true;
  const container = isReached ? reachContainer : serverContainer;
  if (pod === null || !isRunning(statusIn(pod, container))) return 0;
  const session = await execInPod(cluster, id, container, { argv: ['sh', '-c', countScript, scriptsFolder] }, options);
  const stop = (): void => session.destroy();
  options.signal?.addEventListener('abort', stop, { once: true });
  try {
    session.stdin.end();
    const [said, complaint, { exitCode }] = await Promise.all([
      text(session.stdout),
      text(session.stderr),
      session.ended,
    ]);
    if (options.signal?.aborted) throw new LoomsError('interrupted', 'stopped counting sessions');
    if (exitCode === 0 && /^\d{1,9}\n$/.test(said)) return Number(said);
    throw new LoomsError('session-failed', `the sessions in container ${container} cannot be counted`, {
      detail: complaint.split('\n').slice(0, 3),
    });
  } finally {
    options.signal?.removeEventListener('abort', stop);
    session.destroy();
  }
}
