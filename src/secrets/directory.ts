import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { secretNamePattern } from '../model/secret-names.ts';
import type { SecretProvider } from './provider.ts';

/** The largest secret that a file may hold, bytes; Kubernetes' own limit. */
const mostBytes = 1024 * 1024;

/** A pipe is not waited for, and a device not read to an end that it does not have. */
async function readSecretFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error('it is no regular file');
    if (found.size > mostBytes) throw new Error('it has more than 1 MiB');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

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
        return { found: true, value: (await readSecretFile(path)).replace(/\r?\n$/, '') };
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code === 'ENOENT' || code === 'ENOTDIR') return { found: false };
        throw new LoomsError('secret-missing', `cannot read the secret file ${path}: ${messageOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}
