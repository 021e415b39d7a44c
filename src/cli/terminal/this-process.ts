import { readFileSync, readlinkSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Whether Linux says that a process has ended and only waits for its parent to notice, as under a PID 1 that never does. */
function isZombie(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, ''));
  } catch {
    // No such file: another system, or a process that is gone, which the signal tells.
    return false;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    // Someone else's process may not be signalled, but is there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Names the processes that are seen from here: those of this boot of the kernel, in this PID namespace of Linux. */
export function processSpace(): { readonly processes?: string } {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { processes: `${boot} ${readlinkSync('/proc/self/ns/pid')}` };
  } catch {
    return {};
  }
}

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under an id that no user has.
    return String(process.getuid?.() ?? 'unknown');
  }
}
