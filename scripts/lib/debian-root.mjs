import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aptAccessOptions, debianMirrors } from './apt.mjs';
import { run } from './run.mjs';

/** What {@link makeDebian} needs on this machine. */
export const debianTools = ['mmdebstrap', 'debian-archive-keyring'];

/**
 * Bootstraps a small Debian from the mirrors that this machine itself uses; where it names none,
 * from the tool's own default.
 *
 * @param {object} debian
 * @param {string} debian.suite `bookworm`, `trixie`, `sid` …
 * @param {string} debian.target a tar file (`….tar`) or a folder that does not exist yet
 * @param {string} debian.workDir a folder for files that last as long as the job
 * @param {string[]} debian.packages
 * @param {string[]} [debian.options] more for mmdebstrap
 * @throws with mmdebstrap's last lines; needs root
 */
export async function makeDebian({ suite, target, workDir, packages, options = [] }) {
  const sources = await sourcesList(suite, workDir);
  const args = [
    '--quiet',
    '--variant=minbase',
    `--format=${target.endsWith('.tar') ? 'tar' : 'directory'}`,
    `--include=${packages.join(',')}`,
    ...(await aptAccessOptions()).map((line) => `--aptopt=${line}`),
    ...options,
    `--customize-hook=${forgetAccess}`,
    suite,
    target,
    ...sources,
  ];
  await run('mmdebstrap', args, { env: { ...process.env, TMPDIR: workDir, DEBIAN_FRONTEND: 'noninteractive' } });
}

/** How this machine reaches its mirrors is not for the new system to know. */
const forgetAccess = 'f="$1/etc/apt/apt.conf.d/99mmdebstrap"; if [ -e "$f" ]; then sed -i /^Acquire::http/d "$f"; fi';

async function sourcesList(suite, workDir) {
  const { main, security } = await debianMirrors();
  if (!main) return [];
  const lines = [`deb ${main} ${suite} main`];
  const isRelease = suite !== 'sid';
  if (isRelease) lines.push(`deb ${main} ${suite}-updates main`);
  if (isRelease && security) lines.push(`deb ${security} ${suite}-security main`);
  const file = join(workDir, 'debian.list');
  await writeFile(file, `${lines.join('\n')}\n`);
  return [file];
}
