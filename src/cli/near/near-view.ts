import { readlinkSync } from 'node:fs';

/** What decides which files a process reaches and how it makes them: two processes with the same can stand in for one another. */
export function viewOfFiles(): string {
  let mounts = '';
  try {
    mounts = readlinkSync('/proc/self/ns/mnt');
  } catch {
    // Not Linux: a process sees what all see.
  }
  return [process.getuid?.(), process.getgid?.(), process.umask(), mounts].join(' ');
}
