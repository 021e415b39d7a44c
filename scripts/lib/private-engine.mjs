import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { copyImages } from './copy-images.mjs';
import { pingEngine } from './engine-api.mjs';
import { stateDir } from './state-dir.mjs';
import { until } from './wait.mjs';

const readyWithinMs = 120_000;
const endsWithinMs = 120_000;
const cgroups = '/sys/fs/cgroup';
const prefix = 'private-';

/**
 * @returns {string | undefined} why no engine of a test's own can be started here; nothing when one can
 */
export function noPrivateEngine() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'an engine of its own needs Linux and root';
  if (process.env.LOOMS_SECOND_ENGINE)
    return 'another engine is tested, and this brings the program of the machine’s own';
  const missing = ['dockerd', 'unshare', 'ip'].find((program) => !isThere(program));
  return missing && `an engine of its own needs ${missing}`;
}

/**
 * Makes an engine that a test may stop and kill: the machine's own `dockerd` program in namespaces and folders of its
 * own, without a way to any network. It is the first process of its process namespace, so that its end is the end of
 * everything that it started, as when a machine loses its power.
 *
 * @param {{ images: string[], from: string, nameserver?: string }} content images to copy from the engine at `from`;
 *   `nameserver`: the one of its machine, instead of the real one's
 * @returns {Promise<import('./private-engine.mjs').PrivateEngine>}
 */
export async function makePrivateEngine({ images, from, nameserver }) {
  await endAbandoned();
  const dir = mkdtempSync(join(stateDir('engines'), `${prefix}${process.pid}-`));
  const host = `unix://${join(dir, 'engine.sock')}`;
  if (nameserver !== undefined) writeFileSync(join(dir, 'resolv.conf'), `nameserver ${nameserver}\n`);
  let running;
  const engine = {
    host,
    enter: () => ['nsenter', `--net=/proc/${running?.pid}/ns/net`, '--'],
    start: async () => {
      running = await launch(dir, host);
    },
    stop: () => end('SIGTERM'),
    kill: async () => {
      await end('SIGKILL');
      // What a machine keeps in memory does not outlive its power.
      rmSync(join(dir, 'run'), { recursive: true, force: true });
      rmSync(join(dir, 'engine.pid'), { force: true });
    },
    close: async () => {
      await end('SIGKILL');
      removeAll(dir);
    },
  };
  const end = async (signal) => {
    if (running === undefined) return;
    const { pid, ended } = running;
    process.kill(pid, signal);
    if (!(await until(ended, { timeoutMs: endsWithinMs }))) throw new Error(`the engine (pid ${pid}) does not end`);
    running = undefined;
  };
  try {
    await engine.start();
    await copyImages(from, host, images);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** A run that was killed leaves its engine, known by the run's process id in the name of its folder. */
async function endAbandoned() {
  for (const name of readdirSync(stateDir('engines'))) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : undefined;
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const dir = join(stateDir('engines'), name);
    const left = () => processesOf(dir);
    for (const pid of left()) process.kill(pid, 'SIGKILL');
    if (await until(() => left().length === 0, { timeoutMs: endsWithinMs })) removeAll(dir);
  }
}

/** The engine whose files are in `dir`; it takes all that it started along. */
function processesOf(dir) {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`dockerd\0--data-root=${dir}/`);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

function removeAll(dir) {
  removeControlGroups(basename(dir));
  rmSync(dir, { recursive: true, force: true });
}

async function launch(dir, host) {
  const log = join(dir, 'log');
  const output = openSync(log, 'a');
  const wrapper = spawn('unshare', unshareArguments(dir, host), { stdio: ['ignore', output, output], cwd: '/' });
  closeSync(output);
  let state;
  wrapper.on('error', (error) => (state = error.message));
  wrapper.on('exit', (code, signal) => (state = `ended with ${signal ?? `exit code ${code}`}`));
  const ended = () => state !== undefined;
  const answer = await until(async () => (await pingEngine(host)) ?? state, { timeoutMs: readyWithinMs });
  const pid = childOf(wrapper.pid);
  if (answer?.version && pid !== undefined) return { pid, ended };
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
  throw new Error(`the private engine is not ready: ${state ?? 'no answer'}. Its log ends with:\n${lines}`);
}

function unshareArguments(dir, host) {
  // A containerd of the machine would be taken for the engine's own.
  const script = [
    'ip link set lo up',
    '[ ! -d /run/containerd ] || mount -t tmpfs none /run/containerd',
    `[ ! -f ${join(dir, 'resolv.conf')} ] || mount --bind ${join(dir, 'resolv.conf')} /etc/resolv.conf`,
    'exec "$@"',
  ].join('; ');
  return [
    ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-euc', script, 'sh', 'dockerd'],
    `--data-root=${join(dir, 'storage')}`,
    `--exec-root=${join(dir, 'run')}`,
    `--pidfile=${join(dir, 'engine.pid')}`,
    `--host=${host}`,
    `--cgroup-parent=/${basename(dir)}`,
  ];
}

function childOf(pid) {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (pid === undefined || !existsSync(file)) return undefined;
  const child = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return child > 0 ? child : undefined;
}

/** Folders of control groups go one by one, the innermost first; their files are not files. */
function removeControlGroups(name) {
  const tops = readdirSync(cgroups, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const place of [cgroups, ...tops.map((entry) => join(cgroups, entry.name))]) removeTree(join(place, name));
}

function removeTree(dir) {
  if (!existsSync(dir)) return;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(dir, entry.name));
  }
  rmdirSync(dir);
}

function isThere(program) {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // not on the PATH
  }
}
