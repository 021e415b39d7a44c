import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { pingEngine } from './engine-api.mjs';
import { stateDir } from './state-dir.mjs';
import { until } from './wait.mjs';

const program = 'dockerd';
const host = 'unix:///var/run/docker.sock';
const dockerPidFile = '/var/run/docker.pid';
const readyWithinMs = 60_000;
const stopsWithinMs = 30_000;

/**
 * Starts `dockerd` in the background, where no service manager does it, and waits until it answers.
 * Files that a dead engine left behind do not stop it.
 *
 * @returns {Promise<{ host: string, version: string, apiVersion: string }>}
 * @throws with the last lines of its log when it ends or is not ready in a minute
 */
export async function startDockerd() {
  await removeLeftovers();
  const log = logFile();
  const output = openSync(log, 'w');
  const child = spawn(program, dockerdArguments(), {
    detached: true, // lives on after us, and a Ctrl-C for us is not one for it
    stdio: ['ignore', output, output],
    cwd: '/',
  });
  closeSync(output);
  let ended;
  child.on('error', (error) => (ended = error.message));
  child.on('exit', (code, signal) => (ended = `it ended with ${signal ?? `exit code ${code}`}`));
  child.unref();
  if (child.pid) writeFileSync(pidFile(), `${child.pid}\n`);
  // Ours ends at once when another one is starting at the same time: then that one is as good.
  const isHopeless = () => ended !== undefined && !isProgram(readPid(dockerPidFile), program);
  const engine = await until(async () => (await pingEngine(host)) ?? isHopeless(), { timeoutMs: readyWithinMs });
  if (engine && engine !== true) return engine;
  throw new Error(
    `dockerd is not ready: ${ended ?? `no answer in ${readyWithinMs / 1000} s`}. Its log (${log}) ends with:\n${tail(log)}`,
  );
}

/**
 * Ends the `dockerd` that {@link startDockerd} started, and no other.
 *
 * @returns {Promise<'stopped' | 'not ours'>} `not ours`: none that we started is running
 */
export async function stopDockerd() {
  const pid = startedPid();
  if (pid === undefined) return 'not ours';
  process.kill(pid, 'SIGTERM');
  const gone = await until(() => !isProgram(pid, program), { timeoutMs: stopsWithinMs });
  if (!gone) throw new Error(`dockerd (pid ${pid}) does not end; its log is ${logFile()}`);
  rmSync(pidFile(), { force: true });
  return 'stopped';
}

/** @returns {number | undefined} the process id of the `dockerd` that we started, if it is alive */
export function startedPid() {
  const pid = readPid(pidFile());
  return pid !== undefined && isProgram(pid, program) ? pid : undefined;
}

/** @returns {string} where the `dockerd` that we start writes its log */
export function logFile() {
  return join(stateDir(), 'dockerd.log');
}

function pidFile() {
  return join(stateDir(), 'dockerd.pid');
}

/**
 * A packet from the default bridge that is larger than the way out allows would be lost on networks
 * that drop ICMP, so the bridge gets the way out's own size.
 */
function dockerdArguments() {
  const routes = readFileSync('/proc/net/route', 'utf8')
    .split('\n')
    .map((line) => line.split('\t'));
  const device = routes.find(([, destination]) => destination === '00000000')?.[0];
  const file = `/sys/class/net/${device}/mtu`;
  if (!device || !existsSync(file)) return [];
  const mtu = Number(readFileSync(file, 'utf8'));
  return mtu > 0 && mtu < 1500 ? ['--mtu', String(mtu)] : [];
}

/**
 * `dockerd` takes a pid file for a running engine when *any* process has that id now, and a system
 * containerd for running when its socket's file is there. After a crash both may be lies.
 */
async function removeLeftovers() {
  const pids = { [dockerPidFile]: program, '/var/run/docker/containerd/containerd.pid': 'containerd' };
  for (const [file, owner] of Object.entries(pids)) {
    const pid = readPid(file);
    if (pid !== undefined && !isProgram(pid, owner)) rmSync(file, { force: true });
  }
  const sockets = ['/run/containerd/containerd.sock', '/var/run/docker.sock'];
  for (const socket of sockets) {
    if (existsSync(socket) && !(await listens(socket))) rmSync(socket, { force: true });
  }
}

function readPid(file) {
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return pid > 0 ? pid : undefined;
}

function isProgram(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name;
  } catch {
    return false; // no such process
  }
}

function listens(path) {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

function tail(file, lines = 20) {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}
