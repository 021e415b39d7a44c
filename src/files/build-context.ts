import { constants } from 'node:fs';
import { lstat, open, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { specCaPath } from '../image/build-ca.ts';
import { hasExceptions, type IgnoreRule, ignoreRules, includedFiles } from '../image/context-files.ts';
import { copyFolder, isPattern } from '../image/custom-recipe.ts';
import { lockFiles } from '../image/node-recipe.ts';
import { requirementsFolder } from '../image/python-recipe.ts';
import type { ContextFile } from '../model/container/recipe.ts';
import { appFolder } from '../model/container/recipe.ts';
import type { ImageSource } from '../model/desired.ts';
import { assertNever, LoomsError } from '../model/errors.ts';
import type { ReadFiles } from './port.ts';
import { systemCa } from './system-ca.ts';

/** Contexts are held in memory and hashed on each run: one above this size has almost surely caught a stray folder. */
const maximumBytes = 256 * 1024 * 1024;

type Budget = { readonly what: string; bytes: number };

/** The files that an image source names below `directory`. Throws `file-not-found`, `spec-invalid` above 256 MiB. */
export async function readContext(source: ImageSource, directory: string): Promise<ReadFiles> {
  switch (source.kind) {
    case 'image':
      return { files: [] };
    case 'python':
      return source.requirementsFile === undefined
        ? { files: [] }
        : readRequirements(source.requirementsFile, directory);
    case 'node':
      return source.packageJsonFile === undefined ? { files: [] } : readPackageJson(source.packageJsonFile, directory);
    case 'build':
      return { files: await readCopies(source, directory) };
    case 'dockerfile':
      return readDockerfile(source.path, directory);
    default:
      return assertNever(source);
  }
}

/** The CA bundle for builds: LOOMS_BUILD_CA (empty: none), else what this machine trusts. Throws `file-not-found`. */
export async function readBuildCa(
  environment: Readonly<Record<string, string | undefined>>,
  workingDirectory: string,
): Promise<Uint8Array | undefined> {
  const path = environment.LOOMS_BUILD_CA;
  if (path === undefined) return systemCa(environment, workingDirectory);
  return path === '' ? undefined : read(resolve(workingDirectory, path), `LOOMS_BUILD_CA names ${path}`);
}

/** The requirements file and all it takes in, below the folder that they have in common. */
async function readRequirements(path: string, directory: string): Promise<ReadFiles> {
  const main = resolve(directory, path);
  const contents = new Map<string, Uint8Array>();
  const pending = [{ file: main, named: `requirements_file names ${path}` }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { file, named } = next;
    if (contents.has(file)) continue;
    const content = await readInside(file, directory, named);
    contents.set(file, content);
    for (const included of includedFiles(new TextDecoder().decode(content))) {
      pending.push({ file: resolve(dirname(file), included), named: `${basename(file)} takes in ${included}` });
    }
  }
  const root = commonFolder([...contents.keys()]);
  const inContext = (file: string): string => `${requirementsFolder}/${slashes(relative(root, file))}`;
  const files = [...contents].map(([file, content]) => ({ path: inContext(file), content, mode: 0o644 }));
  return { files, entry: inContext(main) };
}

async function readPackageJson(path: string, directory: string): Promise<ReadFiles> {
  const main = resolve(directory, path);
  const entry = `${appFolder}/package.json`;
  const files = [
    { path: entry, content: await readInside(main, directory, `package_json_file names ${path}`), mode: 0o644 },
  ];
  for (const name of lockFiles) {
    const lock = join(dirname(main), name);
    if (!(await exists(lock))) continue;
    files.push({ path: `${appFolder}/${name}`, content: await readInside(lock, directory, name), mode: 0o644 });
    break;
  }
  return { files, entry };
}

async function readCopies(
  source: Extract<ImageSource, { kind: 'build' }>,
  directory: string,
): Promise<readonly ContextFile[]> {
  const root = await realpath(directory).catch((error) => unreadable('the folder of the spec', directory, error));
  const ignore = await ignoreFileOf(directory, root);
  const budget: Budget = { what: 'copy_files', bytes: 0 };
  const files: ContextFile[] = [];
  for (const [index, { source: from }] of source.copy.entries()) {
    const found: ContextFile[] = [];
    for (const path of await matches(resolve(directory, from), from)) {
      const named = `copy_files names ${from}`;
      const real = await insideOf(path, directory, named);
      const isFolder = (await stat(real).catch((error) => unreadable(named, real, error))).isDirectory();
      // A folder's own name stays out: `.` is called differently in each checkout.
      const target = `${copyFolder(index)}/${isFolder && !isPattern(from) ? 'content' : basename(path)}`;
      const rule: IgnoreRule = (file) => {
        const belowSpec = slashes(relative(root, file));
        return belowSpec !== '' && !belowSpec.startsWith('../') && ignore.rule(belowSpec);
      };
      found.push(...(await walk(real, target, rule, ignore.hasExceptions, budget)));
    }
    if (found.length === 0) {
      throw new LoomsError('file-not-found', `copy_files names ${from}, of which nothing is left to copy`, {
        hint: `${resolve(directory, from)} is empty or matches nothing, or .dockerignore leaves all of it out`,
      });
    }
    files.push(...found);
  }
  if (source.caCertificates !== undefined) {
    const named = `build_config.ca_certificates names ${source.caCertificates}`;
    files.push({
      path: specCaPath,
      content: await readInside(resolve(directory, source.caCertificates), directory, named),
      mode: 0o644,
    });
  }
  return files;
}

/** The Dockerfile's folder without what its ignore file leaves out; the two themselves always go to the engine. */
async function readDockerfile(path: string, directory: string): Promise<ReadFiles> {
  const dockerfile = resolve(directory, path);
  const entry = basename(dockerfile);
  const content = await readInside(dockerfile, directory, `dockerfile_path names ${path}`);
  const root = await insideOf(dirname(dockerfile), directory, `dockerfile_path names ${path}`);
  const ignore = await ignoreFileOf(directory, root, `${entry}.dockerignore`);
  const rule: IgnoreRule = (file) => ignore.rule(slashes(relative(root, file)));
  const budget: Budget = { what: `the folder of ${path}`, bytes: 0 };
  const below = await walk(root, '', rule, ignore.hasExceptions, budget);

  const files = new Map(below.map((file) => [file.path, file]));
  files.set(entry, { path: entry, content, mode: 0o644 });
  // The engine reads it once more, to keep itself and the Dockerfile out of `COPY .` where it says so.
  if (ignore.content !== undefined) {
    files.set('.dockerignore', { path: '.dockerignore', content: ignore.content, mode: 0o644 });
  }
  return { files: [...files.values()], entry };
}

type IgnoreFile = {
  readonly rule: IgnoreRule;
  readonly hasExceptions: boolean;
  readonly content: Uint8Array | undefined;
};

/**
 * The first of these that exists: `<Dockerfile>.dockerignore` goes before `.dockerignore`, as in Docker. It is sent like
 * the rest, so it has to be in `directory`, the spec's own folder.
 */
async function ignoreFileOf(directory: string, folder: string, ...preferred: readonly string[]): Promise<IgnoreFile> {
  for (const name of [...preferred, '.dockerignore']) {
    const path = join(folder, name);
    if (!(await exists(path))) continue;
    const content = await readInside(path, directory, name);
    const text = new TextDecoder().decode(content);
    return { rule: ignoreRules(text), hasExceptions: hasExceptions(text), content };
  }
  return { rule: () => false, hasExceptions: false, content: undefined };
}

/** Reads a file, or those below a folder by name. Links stay links; a build has no use for sockets and devices. */
async function walk(
  path: string,
  target: string,
  ignore: IgnoreRule,
  mayReturn: boolean,
  budget: Budget,
): Promise<ContextFile[]> {
  const found = await lstat(path).catch((error) => unreadable(budget.what, path, error));
  if (found.isSymbolicLink()) {
    if (ignore(path)) return [];
    const to = await readlink(path).catch((error) => unreadable(budget.what, path, error));
    return [{ path: target, content: new Uint8Array(), mode: 0o755, linkTarget: slashes(to) }];
  }
  if (found.isDirectory()) {
    if (target !== '' && ignore(path) && !mayReturn) return [];
    const names = (await readdir(path).catch((error) => unreadable(budget.what, path, error))).sort();
    const files: ContextFile[] = [];
    for (const name of names) {
      const below = target === '' ? name : `${target}/${name}`;
      files.push(...(await walk(join(path, name), below, ignore, mayReturn, budget)));
    }
    return files;
  }
  if (!found.isFile() || ignore(path)) return [];
  budget.bytes += found.size;
  if (budget.bytes > maximumBytes) {
    throw new LoomsError('spec-invalid', `${budget.what}: more than ${maximumBytes >> 20} MiB to send to the engine`, {
      hint: 'list what the image does not need in a .dockerignore beside it',
    });
  }
  return [{ path: target, content: await read(path, budget.what), mode: found.mode & 0o777 }];
}

async function matches(path: string, written: string): Promise<readonly string[]> {
  if (!isPattern(written)) return [path];
  const folder = dirname(path);
  const pattern = new RegExp(
    `^${basename(path)
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  const names = await readdir(folder).catch((error) => unreadable(`copy_files names ${written}`, folder, error));
  const found = names.filter((name) => pattern.test(name)).sort();
  return found.map((name) => join(folder, name));
}

/**
 * The real path of what a spec names, which must be in the spec's own folder, links followed: whoever may change a
 * checkout must not thereby put files of this machine into an image.
 *
 * @throws LoomsError `spec-invalid` for what leads out; `file-not-found`
 */
async function insideOf(path: string, directory: string, named: string): Promise<string> {
  const real = await realpath(path).catch((error) => unreadable(named, path, error));
  const root = await realpath(directory).catch((error) => unreadable('the folder of the spec', directory, error));
  if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return real;
  throw new LoomsError('spec-invalid', `${named}, which leads out of the spec's folder to ${real}`, {
    hint: 'copy what the image needs into the folder of the spec',
  });
}

const readInside = async (path: string, directory: string, named: string): Promise<Uint8Array> =>
  read(await insideOf(path, directory, named), named);

/** A regular file of at most `maximumBytes`; all else is refused unread: a pipe or a device may have no end. */
async function read(path: string, named: string): Promise<Uint8Array> {
  // Without `O_NONBLOCK`, to open a pipe is to wait for its writer; Windows has neither.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error) =>
    unreadable(named, path, error),
  );
  try {
    const found = await handle.stat();
    if (!found.isFile()) {
      const hint = 'name a file, or a link to one';
      throw new LoomsError('spec-invalid', `${named}: ${path} is no regular file`, { hint });
    }
    if (found.size > maximumBytes) {
      throw new LoomsError('spec-invalid', `${named}: ${path} is larger than ${maximumBytes >> 20} MiB`);
    }
    return await handle.readFile().catch((error) => unreadable(named, path, error));
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

function unreadable(named: string, path: string, cause: unknown): never {
  const { code } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code ?? cause})`;
  throw new LoomsError('file-not-found', `${named}: ${path} ${why}`, { cause });
}

function commonFolder(files: readonly string[]): string {
  const [first = sep, ...others] = files.map(dirname);
  return others.reduce((common, folder) => {
    let shared = common;
    while (folder !== shared && !folder.startsWith(shared.endsWith(sep) ? shared : shared + sep)) {
      shared = dirname(shared);
    }
    return shared;
  }, first);
}

const slashes = (path: string): string => (sep === '/' ? path : path.replaceAll(sep, '/'));
