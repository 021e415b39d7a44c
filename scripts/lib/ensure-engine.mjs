import { existsSync } from 'node:fs';
import { installPackages } from './apt.mjs';
import { startDockerd } from './dockerd.mjs';
import { call, engineAddresses, pingEngine } from './engine-api.mjs';
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
  const mayStart = !process.env.DOCKER_HOST && machine.root && (machine.os === 'debian' || hasDockerd());
  if (!mayStart) throw new NoEngineError(await explain(machine));
  if (!hasDockerd()) {
    note('installing docker.io from this machine’s package sources');
    await installPackages(['docker.io', 'iptables', 'procps']); // procps: the engine lists processes with `ps`
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

/** The engine's own refusal says more about what to do than the platform does. */
async function explain(machine) {
  const problems = await Promise.all(engineAddresses().map(whyNoAnswer));
  const where = problems.map(({ host, message }) => `${host}: ${message}`);
  return ['No Docker Engine answers.', ...where, ...advice(problems, machine)].join('\n');
}

async function whyNoAnswer(host) {
  try {
    const { status } = await call(host, { path: '/_ping', timeoutMs: 3_000 });
    return { host, message: `it answers /_ping with status ${status}` };
  } catch (error) {
    return { host, message: error.message, code: error.code };
  }
}

function advice(problems, machine) {
  if (problems.some(({ code }) => code === 'EACCES')) {
    return ['Your user may not use it: sudo usermod -aG docker "$USER", then log in again.'];
  }
  if (process.env.DOCKER_HOST) return ["Start that engine, or unset DOCKER_HOST to use this machine's own."];
  if (machine.os === 'debian' && hasDockerd())
    return ['Run as root: systemctl start docker, or run this again as root.'];
  return engineAdvice(machine);
}
