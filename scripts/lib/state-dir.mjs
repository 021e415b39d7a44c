import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The folder where these scripts keep what outlives one run and does not belong in the repository:
 * pid files, logs, downloads. `LOOMS_DEV_STATE` names another one.
 *
 * @param {...string} parts a folder inside it
 * @returns {string} the folder, made if need be
 */
export function stateDir(...parts) {
  const dir = join(process.env.LOOMS_DEV_STATE ?? defaultDir(), ...parts);
  mkdirSync(dir, { recursive: true });
  return dir;
}

function defaultDir() {
  if (process.getuid?.() === 0) return '/var/lib/looms-dev';
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'looms-dev');
}
