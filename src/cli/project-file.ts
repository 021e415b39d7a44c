import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrors } from '../model/diagnostics.ts';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import type { ProjectFile } from '../spec/project-file.ts';
import { SpecError } from './errors.ts';
import { countDiagnostics } from './render/diagnostics.ts';

/** The project file's name; it counts only in the folder in which looms is started. */
export const projectFileName = 'looms.yaml';

/**
 * Reads `looms.yaml` of a folder; undefined when there is none. Throws `spec-invalid` with its findings when it cannot
 * be used, `file-not-found` when it cannot be read: a policy that could not be read must not be taken for none.
 */
export async function readProjectFile(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ProjectFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, projectFileName), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new LoomsError('file-not-found', `${projectFileName} is there and cannot be read: ${messageOf(error)}`, {
      hint: 'a policy in it must not be taken for none: make it readable, or move it away',
      cause: error,
    });
  }
  const { loadProjectFile } = await import('../spec/project-file.ts');
  const file = { file: projectFileName, directory, text };
  const { project, diagnostics } = loadProjectFile(file, { environment });
  if (project !== undefined && !hasErrors(diagnostics)) return project;
  throw new SpecError(`${projectFileName} cannot be used: ${countDiagnostics(diagnostics)}`, diagnostics, [file]);
}
