import type { ContextFile } from '../model/container/recipe.ts';
import type { ImageSource } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import { copyInstruction, envInstruction, onOneLine, type RecipeBody, runInstruction } from './dockerfile-text.ts';

type CustomSource = Extract<ImageSource, { kind: 'build' }>;

/** Folder of the context that holds what entry `index` of `copy_files` names. */
export const copyFolder = (index: number): string => `looms-copy/${index}`;

/** Whether the last part of a source is a pattern (`*.py`). */
export const isPattern = (source: string): boolean => /[*?]/.test(source.slice(source.lastIndexOf('/') + 1));

/** The instructions of a `build_config`, each before what may need it: environment, folder, files, commands. */
export function customBody(source: CustomSource, files: readonly ContextFile[]): RecipeBody {
  const setup = Object.entries(source.env)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => envInstruction(name, value));
  if (source.workdir !== undefined) setup.push(`WORKDIR ${onOneLine(source.workdir, 'workdir')}`);
  source.copy.forEach(({ source: from, destination }, index) => {
    setup.push(copyInstruction(copySources(from, copyFolder(index), files), onOneLine(destination, 'copy_files')));
  });
  const install = source.run.filter((command) => command.trim() !== '').map(runInstruction);
  return { setup, install, useBuildCache: true };
}

/** A pattern copies its matches, a folder its content, a file itself, as Docker's COPY does. */
function copySources(from: string, folder: string, files: readonly ContextFile[]): string[] {
  const inside = files.filter((file) => file.path.startsWith(`${folder}/`)).map((file) => file.path);
  if (inside.length === 0) throw new LoomsError('file-not-found', `copy_files: ${from} was not read`);
  const names = [...new Set(inside.map((path) => path.slice(folder.length + 1).split('/')[0] ?? ''))];
  return names.map((name) => {
    const path = `${folder}/${name}`;
    return isPattern(from) || inside.includes(path) ? path : `${path}/`;
  });
}
