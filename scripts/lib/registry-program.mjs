import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run, tryRun } from './run.mjs';
import { stateDir } from './state-dir.mjs';

const name = 'docker-registry';

/**
 * Finds a registry server, else fetches Debian's package of one and unpacks it beside our other
 * state: it is not installed, so that no service of it starts on this machine.
 *
 * @returns {Promise<string>} the path of the program
 * @throws where there is no apt
 */
export async function registryProgram() {
  const kept = join(stateDir(), name);
  const known = [join('/usr/bin', name), kept].find((path) => existsSync(path));
  if (known) return known;
  if (!existsSync('/usr/bin/apt-get')) throw new Error(`no ${name} here: put one at /usr/bin/${name}`);
  const dir = mkdtempSync(join(stateDir(), `${name}-`));
  try {
    const file = join(dir, await download(dir));
    await run('dpkg', ['-x', file, dir]);
    renameSync(join(dir, 'usr/bin', name), kept); // whole or not at all: another test may be looking
    return kept;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function download(dir) {
  const fetch = ['download', '-qq', name];
  const { code } = await tryRun('apt-get', fetch, { cwd: dir });
  if (code !== 0) {
    await run('apt-get', ['update', '-qq']);
    await run('apt-get', fetch, { cwd: dir });
  }
  return readdirSync(dir).find((entry) => entry.endsWith('.deb'));
}
