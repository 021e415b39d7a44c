import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { secretNamePattern } from '../model/secret-names.ts';
import type { SecretProvider } from './provider.ts';

/**
 * Secrets as files of one folder, as Docker, Kubernetes and systemd hand them over: the file's name is the secret's, one
 * newline at its end is not part of it. The name cannot lead out of the folder.
 */
export function directoryProvider(folder: string): SecretProvider {
  return {
    name: `directory ${folder}`,
    async get(name) {
      if (!secretNamePattern.test(name)) return { found: false };
      const path = join(folder, name);
      try {
        return { found: true, value: (await readFile(path, 'utf8')).replace(/\r?\n$/, '') };
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code === 'ENOENT' || code === 'ENOTDIR') return { found: false };
        throw new LoomsError('secret-missing', `cannot read the secret file ${path} (${String(code)})`, {
          cause: error,
        });
      }
    },
  };
}
