import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const askedAgainMs = 50;
const killedAfterMs = 5_000;
const givenUpAfterMs = 10_000;

/**
 * Ends what the tests of one run started and what outlived them, as the run was interrupted: an `apply` that goes on would
 * make containers after the clean-up. Such a process has `LOOMS_TEST_RUN` of the run in its environment, as the kernel keeps
 * it; where there is no `/proc`, none is found. What has not ended 5,000 ms after SIGTERM is killed.
 *
 * @param {string} run
 * @returns {Promise<number[]>} ids of those that the kernel has not ended after 10,000 ms
 */
export async function endTestProcesses(run) {
  const startMs = performance.now();
  const asked = new Set();
  for (;;) {
    const left = processesOf(run);
    const waitedMs = performance.now() - startMs;
    if (left.length === 0 || waitedMs > givenUpAfterMs) return left;
    const isLate = waitedMs > killedAfterMs;
    for (const pid of isLate ? left : left.filter((one) => !asked.has(one))) {
      asked.add(pid);
      send(pid, isLate ? 'SIGKILL' : 'SIGTERM');
    }
    await delay(askedAgainMs);
  }
}

function processesOf(run) {
  const isOfRun = (pid) => environmentOf(pid).split('\0').includes(`LOOMS_TEST_RUN=${run}`);
  return allProcesses().filter((pid) => pid !== process.pid && isOfRun(pid));
}

function allProcesses() {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** That of a process that has ended, or of another user, is none. */
function environmentOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}

function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
