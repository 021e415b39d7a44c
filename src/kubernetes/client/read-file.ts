import { readFile } from 'node:fs/promises';
import { LoomsError } from '../../model/errors.ts';

/** A file's text; undefined when it is absent. Throws `file-not-found` for one that cannot be read. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new LoomsError('file-not-found', `cannot read ${file}`, { cause: error });
  }
}

/** As `readIfThere`, for one that something else names. */
export async function readNamed(file: string, namedBy: string): Promise<string> {
  const text = await readIfThere(file);
  if (text === undefined) throw new LoomsError('file-not-found', `there is no ${file}, which ${namedBy} names`);
  return text;
}
