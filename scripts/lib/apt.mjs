import { existsSync } from 'node:fs';
import { run, tryRun } from './run.mjs';

const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };

/**
 * Installs the packages that are missing, with what they need and nothing more.
 *
 * @param {string[]} packages
 * @returns {Promise<string[]>} the packages that were missing
 * @throws when apt fails; needs root
 */
export async function installPackages(packages) {
  const missing = [];
  for (const name of packages) {
    const { stdout } = await tryRun('dpkg-query', ['-W', '-f=${db:Status-Status}', name]);
    if (stdout !== 'installed') missing.push(name);
  }
  if (missing.length === 0) return missing;
  await run('apt-get', ['update', '-qq'], { env: environment });
  const options = [
    '-y',
    '-qq',
    '--no-install-recommends',
    '-o',
    'DPkg::Lock::Timeout=120',
    '-o',
    'DPkg::Options::=--force-confold',
  ];
  await run('apt-get', ['install', ...options, ...missing], { env: environment });
  return missing;
}

/**
 * The mirrors that this machine's apt takes Debian from, so that what we make comes the same way.
 *
 * @returns {Promise<{ main?: string, security?: string }>} empty where the machine names none (Ubuntu, say)
 */
export async function debianMirrors() {
  if (!existsSync('/usr/bin/apt-get')) return {};
  const format = '$(REPO_URI) $(LABEL)';
  const { code, stdout } = await tryRun('apt-get', ['indextargets', '--format', format, 'Identifier: Packages']);
  if (code !== 0) return {};
  const byLabel = new Map(stdout.split('\n').map((line) => splitOnce(line)));
  return { main: byLabel.get('Debian'), security: byLabel.get('Debian-Security') };
}

/**
 * How this machine's apt reaches its mirrors: proxies, certificates, and whether lists may be old
 * (on a mirror that is frozen they are). For other programs that use apt.
 *
 * @returns {Promise<string[]>} lines of apt's configuration
 */
export async function aptAccessOptions() {
  if (!existsSync('/usr/bin/apt-config')) return [];
  const { stdout } = await tryRun('apt-config', ['dump']);
  return stdout.split('\n').filter((line) => accessOption.test(line));
}

const accessOption = /^Acquire::(Check-Valid-Until|https?::(Proxy|CaInfo|Verify-Peer|Verify-Host)) "(?!")/i;

function splitOnce(line) {
  const at = line.indexOf(' ');
  return [line.slice(at + 1), line.slice(0, at)];
}
