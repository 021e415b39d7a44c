import { resolve } from 'node:path';
import { LoomsError } from '../../model/errors.ts';
import type { Ports } from '../ports.ts';
import { looksLikePlan, readSavedPlan, type SavedPlan } from './saved-plan.ts';

/** A plan of 10,000 servers has 60 MiB. */
const mostBytes = 256 << 20;

/** For its owner only: it tells what runs where, and from which files. */
const fileMode = 0o600;

/** Writes a saved plan for its owner, over nothing but a plan. Throws `file-exists`, `file-not-writable`. */
export async function writePlanFile(ports: Ports, file: string, saved: SavedPlan): Promise<void> {
  const path = resolve(ports.workingDirectory, file);
  const kind = await ports.files.kindOf(path);
  const found = kind === 'file' ? await ports.files.readText(path) : undefined;
  // One that cannot be read is not known to be a plan.
  if (kind !== undefined && !(found?.done === true && looksLikePlan(found.text))) {
    throw new LoomsError('file-exists', `${file} is there, and is no saved plan`, {
      hint: 'name another file with --out',
    });
  }
  const written = await ports.files.replace(path, `${JSON.stringify(saved, null, 2)}\n`, fileMode);
  if (written.done) return;
  throw new LoomsError('file-not-writable', `${file} cannot be written (${written.code})`, {
    hint: 'name a file in a folder that is there and that you may write to',
    cause: written.cause,
  });
}

/** Reads a saved plan. Throws `usage` when there is no such file, and what `readSavedPlan` throws. */
export async function readPlanFile(ports: Pick<Ports, 'files' | 'workingDirectory'>, file: string): Promise<SavedPlan> {
  const read = await ports.files.readRegular(resolve(ports.workingDirectory, file), mostBytes);
  if (read.done) return readSavedPlan(read.text, file);
  const why = read.why === 'missing' ? `there is no plan ${file}` : `${file} cannot be read: ${read.message}`;
  throw new LoomsError('usage', why, {
    hint: `a plan comes from \`looms diff --out FILE\`; use --server ${file} for one server, or -f ${file} for a file`,
    cause: read.cause,
  });
}
