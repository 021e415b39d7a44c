import { isAbsolute, relative } from 'node:path';

/** A path relative to a folder where it is below it (`.` for the folder itself), else as it is. Both are absolute. */
export function nearPath(path: string, folder: string): string {
  const near = relative(folder, path);
  return near.startsWith('..') || isAbsolute(near) ? path : near || '.';
}
