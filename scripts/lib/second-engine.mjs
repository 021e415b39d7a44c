import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installPackages } from './apt.mjs';
import { debianTools, makeDebian } from './debian-root.mjs';
import { pingEngine } from './engine-api.mjs';
import { openNetworkNamespace } from './network-namespace.mjs';
import { stateDir } from './state-dir.mjs';
import { until } from './wait.mjs';
import { withWorkDir } from './work-dir.mjs';

const readyWithinMs = 60_000;
const stopsWithinMs = 60_000;
const listFile = '.looms-packages';
const ownerFile = 'owner.pid';

/**
 * An engine of Debian sid that can run beside the machine's own.
 *
 * @typedef {object} SecondEngine
 * @property {string} name what `--only` calls it
 * @property {number} index 0 to 255, another one for each engine
 * @property {string} packages the folder of its root file system, shared by engines with the same `include`
 * @property {string[]} include Debian packages
 * @property {string} program the name of its process
 * @property {boolean} [leavesProcesses] whether what it starts outlives it: then all of it is killed with it
 * @property {Record<string, string>} [env] for the tests that run on it
 * @property {string} [prepare] shell commands for its mount namespace, `$root` being its root
 * @property {(dir: string, mtu: number) => string[]} command starts it, with all its files in `dir`
 */

/**
 * Makes the engine's root file system once (a minute) and keeps it for later runs.
 *
 * @param {SecondEngine} engine
 * @param {(note: string) => void} note
 * @returns {Promise<string>} the folder
 */
export async function ensureEngineRoot({ packages, include }, note) {
  const root = join(stateDir('engines'), `sid-${packages}`);
  const list = include.join('\n'); // kept inside: another list means another root
  if (existsSync(join(root, listFile)) && readFileSync(join(root, listFile), 'utf8') === list) return root;
  await installPackages([...debianTools, 'iproute2', 'iptables', 'util-linux']);
  note(`making a Debian sid with ${include.join(', ')}`);
  await withWorkDir(async (workDir) => {
    const unfinished = `${root}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    await makeDebian({ suite: 'sid', target: unfinished, workDir, packages: ['ca-certificates', ...include] });
    writeFileSync(join(unfinished, listFile), list);
    rmSync(root, { recursive: true, force: true });
    await rename(unfinished, root);
  });
  return root;
}

/**
 * Starts the engine in a network namespace, a mount namespace and a root of its own, with empty
 * storage, and waits until it answers. The folders that tests mount into containers are at the same
 * place inside.
 *
 * @param {SecondEngine} engine
 * @param {{ root: string, shared: string[] }} place
 * @returns {Promise<{ host: string, version: string, enter: string[], stop(): Promise<void> }>}
 *   `enter`: begin a command with it to run it on the engine's side of the network; `stop` leaves nothing behind
 * @throws with the last lines of its log; when another run works with it
 */
export async function startSecondEngine(engine, { root, shared }) {
  const dir = join(stateDir('engines'), engine.name);
  const owner = ownerOf(dir);
  if (owner !== undefined) throw new Error(`${engine.name} is at work for another run, process ${owner}`);
  await endAbandoned(dir, engine);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(join(dir, ownerFile), `${process.pid}\n`);
  const network = await openNetworkNamespace(`looms-${engine.name}`, engine.index);
  const log = join(dir, 'log');
  const output = openSync(log, 'w');
  // A process namespace ends with its first process, and that one with `unshare`.
  const namespaces = engine.leavesProcesses ? ['--mount', '--pid', '--fork', '--kill-child'] : ['--mount'];
  const [command, ...args] = [
    ...network.enter,
    'unshare',
    ...namespaces,
    'sh',
    '-euc',
    enterRoot(engine.prepare),
    'sh',
  ];
  args.push(root, [dir, tmpdir(), ...shared].join(':'), ...engine.command(dir, network.mtu));
  // Every program on the way replaces itself by the next one, so that this is the engine's own process, or `unshare`.
  const child = spawn(command, args, { detached: true, stdio: ['ignore', output, output], cwd: '/' });
  closeSync(output);
  let ended;
  child.on('error', (error) => (ended = error.message));
  child.on('exit', (code, signal) => (ended = `ended with ${signal ?? `exit code ${code}`}`));
  if (child.pid) writeFileSync(join(dir, 'engine.pid'), `${child.pid}\n`);

  const stop = async () => {
    if (child.pid && !ended) await endProcess(child.pid, () => ended, engine);
    await network.close();
    rmSync(dir, { recursive: true, force: true });
  };
  const host = `unix://${join(dir, 'engine.sock')}`;
  const answer = await until(async () => (await pingEngine(host)) ?? ended, { timeoutMs: readyWithinMs });
  if (answer?.version) return { host, version: answer.version, enter: network.enter, stop };
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
  await stop();
  throw new Error(`${engine.name} is not ready: ${ended ?? 'no answer'}. Its log ends with:\n${lines}`);
}

/** `pivot_root` rather than `chroot`: in a plain chroot an engine cannot load images. */
function enterRoot(prepare = '') {
  return `
    root=$1 shared=$2; shift 2
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    cat /etc/resolv.conf > "$root/etc/resolv.conf"
    IFS=:
    for dir in $shared; do mkdir -p "$root$dir"; mount --rbind "$dir" "$root$dir"; done
    ${prepare}
    mkdir -p "$root/.old"
    cd "$root"
    pivot_root . .old
    umount --lazy /.old
    exec "$@"`;
}

/** The process of the run that works with the engine of this folder, unless it has ended. */
function ownerOf(dir) {
  if (!existsSync(join(dir, ownerFile))) return undefined;
  const pid = Number.parseInt(readFileSync(join(dir, ownerFile), 'utf8'), 10);
  return commandLine(pid).includes('test-engines') ? pid : undefined;
}

/** A run that was killed leaves its engine; it is ours if the pid file and the process agree. */
async function endAbandoned(dir, engine) {
  const file = join(dir, 'engine.pid');
  if (!existsSync(file)) return;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  const isOurs = () => commandLine(pid).includes(engine.program) && commandLine(pid).includes(dir);
  if (isOurs()) await endProcess(pid, () => !isOurs(), engine);
}

async function endProcess(pid, hasEnded, { leavesProcesses }) {
  process.kill(pid, leavesProcesses ? 'SIGKILL' : 'SIGTERM'); // `unshare` passes on nothing else
  if (!(await until(hasEnded, { timeoutMs: stopsWithinMs }))) process.kill(pid, 'SIGKILL');
}

function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // no such process
  }
}
