import { type LoomsError, withHint } from '../../model/errors.ts';
import { missingServer } from '../../model/server-not-found.ts';
import type { CommandContext } from '../context.ts';
import { readSpecs } from '../project/specs.ts';
import { shownFile, visible } from '../render/text.ts';

/** An error about a server that is not there, with a hint where the files that would be applied here declare it. */
export async function withDeclared(error: LoomsError, context: CommandContext): Promise<LoomsError> {
  const name = missingServer(error);
  if (name === undefined) return error;
  try {
    const { servers } = await readSpecs({ strict: false }, context);
    const found = servers.find(({ spec }) => spec.name === name && spec.enabled);
    if (found === undefined) return error;
    const { file, line } = found.source;
    return withHint(error, `${visible(shownFile(file))}:${line} declares it: \`looms apply\` makes it`);
  } catch {
    // Without files that can be read there is nothing to say besides.
    return error;
  }
}
