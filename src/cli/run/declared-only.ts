import { type LoomsError, withHint } from '../../model/errors.ts';
import type { CommandContext } from '../context.ts';
import { chooseProject } from '../project/project.ts';
import { readSpecs } from '../project/specs.ts';
import { shownFile, visible } from '../render/text.ts';

/** An error about a server that is not there, with a hint where the files that would be applied here declare it. */
export async function withDeclared(error: LoomsError, context: CommandContext): Promise<LoomsError> {
  if (error.code !== 'server-not-found' || error.about?.kind !== 'missing') return error;
  const { name } = error.about;
  try {
    const { servers } = await readSpecs({ strict: false }, context);
    const found = servers.find(({ spec }) => spec.name === name && spec.enabled);
    if (found === undefined) return error;
    const { file, line } = found.source;
    const { ports, project, projectFile } = context;
    const from = { environment: ports.environment.LOOMS_PROJECT, file: projectFile?.file.project };
    const usual = chooseProject({ flag: undefined, ...from });
    const apply = usual.name === project.name ? 'looms apply' : `looms apply --project ${project.name}`;
    return withHint(error, `${visible(shownFile(file))}:${line} declares it: \`${apply}\` makes it`);
  } catch {
    // Without files that can be read there is nothing to say besides.
    return error;
  }
}
