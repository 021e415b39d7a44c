import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { secretNamePattern } from '../model/secret-names.ts';
import type { ReadRegular, SecretProvider } from './provider.ts';

/** The largest secret that a file may hold, bytes; Kubernetes' own limit. */
const mostBytes = 1024 * 1024;

/**
 * Secrets as files of one folder, as Docker, Kubernetes and systemd hand them over: the file's name is the secret's, one
 * newline at its end is not part of it. The name cannot lead out of the folder.
 */
export function directoryProvider(folder: string, readRegular: ReadRegular): SecretProvider {
  return {
    name: `directory ${folder}`,
    async get(name) {
      if (!secretNamePattern.test(name)) return { found: false };
      const path = join(folder, name);
      const read = await readRegular(path, mostBytes);
      if (read.done) return { found: true, value: read.text.replace(/\r?\n$/, '') };
      if (read.code === 'ENOENT' || read.code === 'ENOTDIR') return { found: false };
      throw new LoomsError('secret-missing', `cannot read the secret file ${path}: ${read.message}`, {
        cause: read.cause,
      });
    },
  };
}
