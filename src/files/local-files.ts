import { constants, watch } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../model/failure.ts';
import type { FileFailure, Files, FileWrite } from './port.ts';

function failure(cause: unknown): FileFailure {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const why = code === 'ENOENT' ? 'missing' : code === 'EEXIST' ? 'exists' : 'other';
  return { done: false, why, code, message: messageOf(cause), cause };
}

async function attempt(work: () => Promise<unknown>): Promise<FileWrite> {
  try {
    await work();
    return { done: true };
  } catch (error) {
    return failure(error);
  }
}

async function replace(path: string, content: string, mode: number): Promise<FileWrite> {
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}`);
  const written = await attempt(async () => {
    await writeFile(fresh, content, { mode, flag: 'wx', flush: true });
    await rename(fresh, path);
  });
  if (!written.done) await rm(fresh, { force: true });
  return written;
}

const textOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

async function rewrite(path: string, content: string | undefined, before: string | undefined): Promise<FileWrite> {
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}`);
  let isChanged = false;
  const written = await attempt(async () => {
    if (content !== undefined) {
      await writeFile(fresh, '', { mode: 0o600, flag: 'wx' });
      if (before !== undefined) await giveAccessOf(path, fresh);
      await writeFile(fresh, content, { flush: true });
    }
    // Looked at as late as can be, as no system renames a file on a condition.
    isChanged = (await textOf(path)) !== before;
    if (isChanged) throw new Error(`${path} was written by another program meanwhile`);
    await (content === undefined ? rm(path) : rename(fresh, path));
  });
  if (!written.done && content !== undefined) await rm(fresh, { force: true });
  return written.done || !isChanged ? written : { ...written, why: 'changed' };
}

/** Gives a file the mode and owner of another one. */
async function giveAccessOf(path: string, fresh: string): Promise<void> {
  const { mode, uid, gid } = await stat(path);
  const made = await stat(fresh);
  if (made.uid !== uid || made.gid !== gid) await chown(fresh, uid, gid);
  await chmod(fresh, mode & 0o7777);
}

/** The files of this machine, loaded as they are asked for; `environment` names those of CAs (LOOMS_BUILD_CA …). */
export const localFiles = (
  environment: Readonly<Record<string, string | undefined>>,
  workingDirectory: string,
): Files => ({
  readText: async (path) => {
    try {
      return { done: true, text: await readFile(path, 'utf8') };
    } catch (error) {
      return failure(error);
    }
  },
  readRegular: async (path, mostBytes) => {
    try {
      // Opening a pipe that nobody writes to would wait.
      const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      try {
        const found = await file.stat();
        if (!found.isFile()) throw new Error(`${path} is no regular file`);
        if (found.size > mostBytes) throw new Error(`${path} has more than ${mostBytes >> 20} MiB`);
        return { done: true, text: await file.readFile('utf8') };
      } finally {
        await file.close();
      }
    } catch (error) {
      return failure(error);
    }
  },
  kindOf: async (path) => {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return undefined;
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
  },
  accessOf: async (path) => {
    if (process.platform === 'win32') return undefined;
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return undefined;
    return { uid: found.uid, gid: found.gid, mode: found.mode & 0o7777, isFolder: found.isDirectory() };
  },
  wayTo: async (path) => (await import('./path-way.ts')).pathWay(path),
  isLink: (path) =>
    lstat(path).then(
      (found) => found.isSymbolicLink(),
      () => false,
    ),
  realPath: (path) => realpath(path).catch(() => undefined),
  matching: async (patterns, folder) => {
    const { glob } = await import('tinyglobby');
    return glob([...patterns], { cwd: folder, absolute: true, onlyFiles: true });
  },
  create: (path, content) => attempt(() => writeFile(path, content, { flag: 'wx' })),
  overwrite: (path, content) => attempt(() => writeFile(path, content)),
  replace,
  rewrite,
  makeFolder: (path) => attempt(() => mkdir(path, { recursive: true })),
  readContext: async (source, directory) => (await import('./build-context.ts')).readContext(source, directory),
  readBuildCa: async () => (await import('./build-context.ts')).readBuildCa(environment, workingDirectory),
  watchFolders(folders, changed, signal) {
    for (const folder of folders) {
      try {
        watch(folder, { signal, persistent: false }, changed).on('error', changed);
      } catch {
        // What cannot be watched is looked at by the timer of whoever wants to know.
      }
    }
  },
  commitsOf: async (named) => (await import('./git-commits.ts')).commitsOf(named),
  followGit: async (place) => (await import('./git-source.ts')).followGit(place, environment),
});
