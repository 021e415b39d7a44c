import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import type { Ports } from './ports.ts';
import { looksLikePlan, readSavedPlan, type SavedPlan } from './saved-plan.ts';

/** For its owner only: it tells what runs where, and from which files. */
const fileMode = 0o600;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/**
 * Writes a saved plan, whole or not at all, readable by its owner only. A plan that is there is written over, nothing
 * else is: throws `file-exists`. Throws `file-not-found` when the folder is not there or not writable.
 */
export async function writePlanFile(ports: Ports, file: string, saved: SavedPlan): Promise<void> {
  const path = resolve(ports.workingDirectory, file);
  const found = await stat(path).catch(() => undefined);
  // One that cannot be read is not known to be a plan.
  const content = found?.isFile() === true ? await readFile(path, 'utf8').catch(() => '') : '';
  if (found !== undefined && !looksLikePlan(content)) {
    throw new LoomsError('file-exists', `${file} is there, and is no saved plan`, {
      hint: 'name another file with --out',
    });
  }
  const fresh = join(dirname(path), `.${basename(path)}.${ports.whoAmI.pid}`);
  try {
    await writeFile(fresh, `${JSON.stringify(saved, null, 2)}\n`, { mode: fileMode, flag: 'wx' });
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw new LoomsError('file-not-found', `${file} cannot be written (${codeOf(error)})`, {
      hint: 'name a file in a folder that is there and that you may write to',
      cause: error,
    });
  }
}

/** Reads a saved plan. Throws `usage` when there is no such file, and what `readSavedPlan` throws. */
export async function readPlanFile(ports: Ports, file: string): Promise<SavedPlan> {
  const content = await readFile(resolve(ports.workingDirectory, file), 'utf8').catch((error: unknown) => {
    const why = codeOf(error) === 'ENOENT' ? `there is no plan ${file}` : `${file} cannot be read (${codeOf(error)})`;
    throw new LoomsError('usage', why, {
      hint: `a plan comes from \`looms diff --out FILE\`; use --server ${file} for one server, or -f ${file} for a file`,
      cause: error,
    });
  });
  return readSavedPlan(content, file);
}
