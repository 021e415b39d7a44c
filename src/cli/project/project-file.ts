import { dirname, join, relative, resolve, sep } from 'node:path';
import { nearPath } from '../../app/plan/near-path.ts';
import { projectFileName } from '../../app/plan/spec-files.ts';
import type { Ports } from '../../app/ports.ts';
import { hasErrors, type SourceText } from '../../model/diagnostics.ts';
import { LoomsError } from '../../model/errors.ts';
import { mapBounded } from '../../model/values/map-bounded.ts';
import type { ProjectFile } from '../../spec/project-file.ts';
import { SpecError } from '../errors.ts';
import { countDiagnostics } from '../render/diagnostics/diagnostics.ts';
import { requireKept } from './policy-files.ts';

/** A project file that was found, and the folder that it is in. */
export type FoundProjectFile = {
  readonly folder: string;
  readonly file: ProjectFile;
  /** For code frames. */
  readonly source: SourceText;
};

type Place = Pick<Ports, 'files' | 'workingDirectory'>;

/** A folder and all above it, from the inside out. */
export function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

/** A name may begin with two dots as well, as `..data` of a ConfigMap does. */
const isBelow = (folder: string, root: string): boolean => !`${relative(root, folder)}${sep}`.startsWith(`..${sep}`);

/**
 * The nearest folder with a `looms.yaml`, from `folder` upwards to the root of its checkout (the folder with `.git`).
 * Outside of a checkout the working directory is the end where `folder` is below it, else `folder` itself: above those
 * anybody may write, as in `/tmp`, and a project file can name programs to run.
 */
async function nearestFolder({ files, workingDirectory }: Place, folder: string): Promise<string | undefined> {
  const has = async (one: string, name: string) => (await files.kindOf(join(one, name))) !== undefined;
  // A link that leads nowhere is there: its rules must not be taken for none.
  const hasProject = async (one: string) =>
    (await has(one, projectFileName)) || files.isLink(join(one, projectFileName));
  const above = ancestors(folder);
  const checkouts = await Promise.all(above.map((one) => has(one, '.git')));
  const checkout = checkouts.indexOf(true);
  const outside = isBelow(folder, workingDirectory) ? above.indexOf(workingDirectory) : 0;
  for (const one of above.slice(0, (checkout === -1 ? outside : checkout) + 1)) {
    if (await hasProject(one)) return one;
  }
  return undefined;
}

/** How many files are looked at side by side. */
const filesAtOnce = 16;

/**
 * The folder of the `looms.yaml` that applies to a run: looked for from each spec file, where a link stands and where it
 * leads; from the working directory when no file is named or none has one. One that is found by several ways, as behind a
 * linked folder, is one, in the folder where it was found first. Throws `spec-invalid` when two apply, `file-not-found`
 * for a path that names nothing.
 *
 * @param naming the folder of the project file that names these paths as its specs
 */
export async function findProjectFolder(
  place: Place,
  paths: readonly string[],
  naming?: string,
): Promise<string | undefined> {
  const { files, workingDirectory } = place;
  /** By what a project file really is: its folder as it was found, and from where. */
  const found = new Map<string, readonly [folder: string, path: string]>();
  const folders = new Set<string>();
  const add = async (folder: string | undefined, path: string): Promise<void> => {
    if (folder === undefined || folders.has(folder)) return;
    folders.add(folder);
    const file = join(folder, projectFileName);
    const real = (await files.realPath(file)) ?? file;
    if (!found.has(real)) found.set(real, [folder, path]);
  };
  if (naming !== undefined) await add(naming, naming);
  const named = paths.filter((path) => path !== '-');
  // Most commands name no files, and need not load what finds them.
  const { specPaths } = named.length === 0 ? { specPaths: undefined } : await import('../../app/plan/spec-files.ts');
  const absolute = await Promise.all(named.map((path) => specPaths?.(files, workingDirectory, path) ?? []));
  // A glob finds files in no order; an error names the same two each time.
  const sorted = absolute.flat().sort();
  const real = await mapBounded(sorted, filesAtOnce, async (path) => (await files.realPath(path)) ?? path);
  // Each once: specs in one folder are many.
  const starts = new Map<string, string>();
  for (const [index, path] of sorted.entries()) {
    for (const one of [path, real[index] ?? path]) if (!starts.has(dirname(one))) starts.set(dirname(one), path);
  }
  for (const [start, path] of starts) await add(await nearestFolder(place, start), path);
  const [first, second] = found.values();
  if (first === undefined) return nearestFolder(place, workingDirectory);
  if (second === undefined) return first[0];
  const shown = ([folder, path]: readonly [string, string]): string =>
    `${nearPath(join(folder, projectFileName), workingDirectory)} (of ${nearPath(path, workingDirectory)})`;
  throw new LoomsError('spec-invalid', `two project files apply to this run: ${shown(first)} and ${shown(second)}`, {
    hint: 'a run has one project, one engine and one policy: run looms once for the files of each',
  });
}

/**
 * The spec files of a saved plan from which its project file is looked for: those that are here, in the working directory
 * or the checkout that it is in. A plan is data that comes from elsewhere, so it cannot point at any other folder, whose
 * project file could name programs to run.
 */
export async function pathsOfPlan(
  { files, workingDirectory }: Place,
  planned: readonly { readonly file: string }[],
): Promise<readonly string[]> {
  const above = ancestors(workingDirectory);
  const checkouts = await Promise.all(above.map((one) => files.kindOf(join(one, '.git'))));
  const root = above[checkouts.findIndex((kind) => kind !== undefined)] ?? workingDirectory;
  const paths = planned.map(({ file }) => resolve(workingDirectory, file)).filter((path) => isBelow(path, root));
  const kinds = await Promise.all(paths.map((path) => files.kindOf(path)));
  return paths.filter((_, index) => kinds[index] === 'file');
}

/**
 * Who may write to a checkout, or to a folder above it, may write the specs in it, too. A `looms.yaml` that is a link to
 * another place can have its policy changed, and programs named in it, by who may write there. Throws `refused`.
 */
async function requireKeptOutside(files: Place['files'], folder: string): Promise<void> {
  const link = join((await files.realPath(folder)) ?? folder, projectFileName);
  if (!(await files.isLink(link))) return;
  const above = ancestors(dirname(link));
  const checkouts = await Promise.all(above.map((one) => files.kindOf(join(one, '.git'))));
  const root = above[checkouts.findIndex((kind) => kind !== undefined)] ?? dirname(link);
  await requireKept(files, link, (hop) => isBelow(hop, root) || isBelow(root, hop));
}

/** The largest project file that is read. */
const mostBytes = 1024 * 1024;

/**
 * Finds and reads the project file, if any. Throws `spec-invalid`, `file-not-found`: unread is not none; `refused` for a
 * link to a place where others may write.
 */
export async function readProjectFile(
  place: Place,
  paths: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<FoundProjectFile | undefined> {
  const folder = await findProjectFolder(place, paths);
  if (folder === undefined) return undefined;
  const shown = nearPath(join(folder, projectFileName), place.workingDirectory);
  const read = await place.files.readRegular(join(folder, projectFileName), mostBytes);
  if (!read.done) {
    throw new LoomsError('file-not-found', `${shown} is there and cannot be read: ${read.message}`, {
      hint: 'a policy in it must not be taken for none: make it readable, or move it away',
      cause: read.cause,
    });
  }
  await requireKeptOutside(place.files, folder);
  const { text } = read;
  const { loadProjectFile } = await import('../../spec/project-file.ts');
  const source = { file: shown, directory: folder, text };
  // What reads expressions takes longer to load than all the rest of the file takes to read.
  const mayHaveRules = /\bserve\b/.test(text) && /\bpolicy\b/.test(text);
  const check = mayHaveRules ? (await import('../../spec/check/call-rules.ts')).expressionProblem : undefined;
  const { project, diagnostics } = loadProjectFile(source, { environment }, check);
  if (project !== undefined && !hasErrors(diagnostics)) return { folder, file: project, source };
  throw new SpecError(`${shown} cannot be used: ${countDiagnostics(diagnostics)}`, diagnostics, [source]);
}
