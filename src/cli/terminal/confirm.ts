import { LoomsError } from '../../model/errors.ts';
import type { Terminal } from './terminal.ts';

export type Asking = {
  readonly yes: boolean;
  readonly terminal: Terminal;
  /** What is said where nobody can be asked. */
  readonly refusal: string;
  /** Whether the command has --dry-run. */
  readonly lookFirst: boolean;
};

/** Asks; anything but yes is a no. Throws `not-confirmed` where nobody can be asked, `interrupted` on Ctrl-C. */
export async function confirm(question: string, { yes, terminal, refusal, lookFirst }: Asking): Promise<boolean> {
  if (yes) return true;
  if (!terminal.canAsk) {
    throw new LoomsError('not-confirmed', refusal, {
      hint: `there is no terminal to ask on: pass --yes to agree in advance${lookFirst ? ', or --dry-run to only look' : ''}`,
    });
  }
  const typed = await terminal.askLine(`${terminal.noticePalette.strong(question)} (y/N) `);
  if ('line' in typed) return /^y(es)?$/i.test(typed.line.trim());
  terminal.notice('');
  if (typed.ended === 'closed') return false;
  throw new LoomsError('interrupted', 'interrupted before anything was changed', { cause: typed.cause });
}
