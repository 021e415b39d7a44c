import { existsSync } from 'node:fs';
import { installPackages } from './apt.mjs';
import { startDockerd } from './dockerd.mjs';
import { engineAddresses, pingEngine } from './engine-api.mjs';
import { engineAdvice, platform } from './platform.mjs';
import { run } from './run.mjs';
import { until } from './wait.mjs';

/** No engine answers, and we cannot change that here. The message says what a person does. */
export class NoEngineError extends Error {}

/**
 * Makes sure that a Docker Engine answers: finds one that runs, else starts the one that is
 * installed, else installs Debian's and starts that.
 *
 * @param {(note: string) => void} note is told each thing that takes time
 * @returns {Promise<{ host: string, version: string, apiVersion: string, started: boolean }>}
 * @throws {NoEngineError} where we may not or cannot install one
 */
export async function ensureEngine(note = () => {}) {
  const running = await findEngine();
  if (running) return { ...running, started: false };
  const machine = platform();
  if (process.env.DOCKER_HOST) throw noEngine(`No engine answers at DOCKER_HOST=${process.env.DOCKER_HOST}.`, machine);
  if (!machine.root || (machine.os !== 'debian' && !hasDockerd())) throw noEngine('No Docker Engine answers.', machine);
  if (!hasDockerd()) {
    note('installing docker.io from this machine’s package sources');
    await installPackages(['docker.io', 'iptables']);
  }
  note(machine.systemd ? 'starting the docker service' : 'starting dockerd');
  return { ...(await start(machine)), started: true };
}

/** @returns {Promise<{ host: string, version: string, apiVersion: string } | undefined>} the first engine that answers */
export async function findEngine() {
  for (const host of engineAddresses()) {
    const engine = await pingEngine(host);
    if (engine) return engine;
  }
  return undefined;
}

async function start(machine) {
  if (!machine.systemd) return startDockerd();
  await run('systemctl', ['start', 'docker']);
  const engine = await until(findEngine, { timeoutMs: 30_000 });
  if (engine) return engine;
  throw new NoEngineError('The docker service was started and does not answer. See: journalctl -u docker');
}

function hasDockerd() {
  return ['/usr/bin/dockerd', '/usr/sbin/dockerd', '/usr/local/bin/dockerd'].some((path) => existsSync(path));
}

function noEngine(what, machine) {
  return new NoEngineError([`${what} This machine: ${machine.name}.`, ...engineAdvice(machine)].join('\n'));
}
