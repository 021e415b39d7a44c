import { createInterface, type ReadLineOptions } from 'node:readline/promises';
import { LoomsError } from '../model/errors.ts';
import type { Terminal } from './terminal.ts';

/** A line that was typed, or what came instead: Ctrl-C, or the end of the input (Ctrl-D) or of the wait. */
type Typed = { readonly line: string } | { readonly ended: 'interrupted' | 'closed'; readonly cause: unknown };

/** Asks for a line on the terminal until `signal` aborts; what is typed is echoed to `output`, stderr if none is given. */
export async function askLine(
  question: string,
  { signal, ...echo }: Partial<Pick<ReadLineOptions, 'output' | 'terminal'>> & { readonly signal?: AbortSignal } = {},
): Promise<Typed> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr, ...echo });
  const gone = new AbortController();
  let interrupted = false;
  prompt.on('SIGINT', () => {
    interrupted = true;
    gone.abort();
  });
  // Ctrl-D closes the input without an answer, and the question would wait for ever.
  prompt.on('close', () => gone.abort());
  const given = signal === undefined ? gone.signal : AbortSignal.any([gone.signal, signal]);
  try {
    return { line: await prompt.question(question, { signal: given }) };
  } catch (error) {
    if (!given.aborted) throw error;
    return { ended: interrupted ? 'interrupted' : 'closed', cause: error };
  } finally {
    prompt.close();
  }
}

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
  const typed = await askLine(`${terminal.noticePalette.strong(question)} (y/N) `);
  if ('line' in typed) return /^y(es)?$/i.test(typed.line.trim());
  terminal.notice('');
  if (typed.ended === 'closed') return false;
  throw new LoomsError('interrupted', 'interrupted before anything was changed', { cause: typed.cause });
}
