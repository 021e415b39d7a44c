import { LoomsError } from '../../model/errors.ts';
import type { Lack } from './link.ts';

/** That a container has no room for one more session, and what would make some. */
export function noRoom(lack: Lack, server: string, cause?: unknown): LoomsError {
  const open = lack.open === undefined ? '' : `${lack.open} ${lack.open === 1 ? 'is' : 'are'} open, `;
  const raise = {
    processes:
      'docker_backend.resource_limits.pids_limit (a session of a Node server takes up to 12, of a Python server 4)',
    memory:
      'docker_backend.resource_limits.memory_mb (a session of a Node server takes from 27 MiB on, of a Python server from 48 MiB)',
    anything: 'pids_limit or memory_mb of docker_backend.resource_limits',
  }[lack.of];
  return new LoomsError('server-crowded', `${server} has no room for another session: ${open}${shareOf(lack)}`, {
    hint: `raise ${raise}, or have fewer sessions open at a time`,
    cause,
  });
}

function shareOf({ of, used, most }: Lack): string {
  if (of === 'anything') return 'the engine could start no process in its container';
  const isMemory = of === 'memory';
  if (used === undefined || most === undefined)
    return `${isMemory ? 'its memory' : 'the number of its processes'} was exhausted`;
  return isMemory
    ? `${mebibytes(used)} of ${mebibytes(most)} MiB of memory are taken`
    : `${used} of ${most} processes and threads are taken`;
}

const mebibytes = (bytes: number): number => Math.round(bytes / 1024 ** 2);
