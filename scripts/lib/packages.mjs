import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, tryRun } from './run.mjs';

/**
 * Makes sure that `node_modules` holds what `package-lock.json` says, the `node` of the dev
 * dependencies included.
 *
 * @param {string} root the repository
 * @param {(note: string) => void} note is told each thing that takes time
 * @returns {Promise<'there' | 'installed'>}
 */
export async function ensurePackages(root, note) {
  if (isInstalled(root)) return 'there';
  note('npm ci: installing what package-lock.json names');
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root });
  if (!isInstalled(root))
    throw new Error('npm ci ended well, but node_modules does not hold what package-lock.json names');
  return 'installed';
}

/**
 * The environment in which programs of this repository run: its own Node and tools first.
 *
 * @param {string} root
 * @param {Record<string, string>} more
 * @returns {NodeJS.ProcessEnv}
 */
export function projectEnvironment(root, more = {}) {
  return { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`, ...more };
}

/**
 * @param {string} root
 * @returns {Promise<string>} which Node the programs of this repository run with, for a person to read
 */
export async function describeNode(root) {
  const used = await nodeVersion(projectEnvironment(root));
  const outside = process.env.PATH.split(':').filter((dir) => !dir.endsWith('/node_modules/.bin')); // npm adds these
  const own = await nodeVersion({ ...process.env, PATH: outside.join(':') });
  return own === used ? `Node ${used}` : `Node ${used} comes with them, as this machine's own is ${own}`;
}

async function nodeVersion(env) {
  const { stdout } = await tryRun('node', ['--version'], { env });
  return stdout.trim().replace(/^v/, '');
}

/** npm keeps beside the packages its own account of what it installed. */
function isInstalled(root) {
  const account = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(account) || !existsSync(join(root, 'node_modules/.bin/node'))) return false;
  const installed = packagesIn(account);
  const locked = packagesIn(join(root, 'package-lock.json'));
  const same = (path) => installed[path]?.version === locked[path]?.version;
  const wanted = Object.keys(locked).filter((path) => path !== '' && (installed[path] || !isOptional(locked[path])));
  return wanted.every(same) && Object.keys(installed).every(same);
}

/** What another platform needs is in the lock file and never installed. */
function isOptional({ optional, devOptional, os, cpu }) {
  return Boolean(optional || devOptional || os || cpu);
}

function packagesIn(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}
