import { createInterface } from 'node:readline/promises';
import { LoomsError } from '../model/errors.ts';
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
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new AbortController();
  let interrupted = false;
  prompt.on('SIGINT', () => {
    interrupted = true;
    gone.abort();
  });
  // Ctrl-D closes the input without an answer, and the question would wait for ever: it is a no.
  prompt.on('close', () => gone.abort());
  try {
    const answer = await prompt.question(`${terminal.noticePalette.strong(question)} (y/N) `, { signal: gone.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!gone.signal.aborted) throw error;
    terminal.notice('');
    if (!interrupted) return false;
    throw new LoomsError('interrupted', 'interrupted before anything was changed', { cause: error });
  } finally {
    prompt.close();
  }
}
