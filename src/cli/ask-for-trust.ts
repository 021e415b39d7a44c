import type { TrustQuestion } from '../app/ports.ts';
import { confirm } from './confirm.ts';
import { visible } from './render/text.ts';
import type { Terminal } from './terminal.ts';

/**
 * Shows what a record of somebody else says, and then asks whether it may have its secrets; no where nobody can be
 * asked. One that was accepted in advance is shown all the same: nobody looks at it again.
 */
export async function askForTrust(
  { what, says }: TrustQuestion,
  terminal: Terminal,
  acceptsAll: boolean,
): Promise<boolean> {
  if (!acceptsAll && !terminal.canAsk) return false;
  const { noticePalette: palette } = terminal;
  terminal.notice(`${palette.strong(visible(what))}. What the record says, which nobody vouches for:`);
  for (const line of says) terminal.notice(`  ${palette.quiet('│')} ${visible(line)}`);
  if (!acceptsAll) {
    const question = 'Accept this record, and hand over these secrets?';
    return confirm(question, { yes: false, terminal, refusal: '', lookFirst: false });
  }
  terminal.notice('Accepted by --trust-record, and remembered.');
  return true;
}
