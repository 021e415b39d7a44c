import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { stateDir } from './state-dir.mjs';

const gibibyte = 2 ** 30;

/**
 * Lends a work folder for the time of a job and removes it afterwards, also when the job fails or
 * the process ends. In memory where we may mount and there is enough of it: unpacking a Debian
 * waits for the disk half of its time.
 *
 * @template T
 * @param {(dir: string) => Promise<T>} job
 * @returns {Promise<T>}
 */
export async function withWorkDir(job) {
  removeAbandoned();
  const dir = mkdtempSync(join(stateDir('work'), `${process.pid}-`));
  const mounted =
    freemem() > 6 * gibibyte && succeeds('mount', '-t', 'tmpfs', '-o', 'size=3g,mode=755', 'looms-work', dir);
  const remove = () => removeWorkDir(dir, mounted);
  process.once('exit', remove);
  try {
    return await job(dir);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** A process that was killed could not tidy up: the next one does. */
function removeAbandoned() {
  for (const name of readdirSync(stateDir('work'))) {
    if (!isAlive(Number.parseInt(name, 10))) removeWorkDir(join(stateDir('work'), name), true);
  }
}

function removeWorkDir(dir, mounted) {
  if (mounted) succeeds('umount', '--lazy', dir);
  rmSync(dir, { recursive: true, force: true });
}

function succeeds(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
