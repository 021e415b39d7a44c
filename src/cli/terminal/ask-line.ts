import { createInterface, type ReadLineOptions } from 'node:readline/promises';

/** A line that was typed, or what came instead: Ctrl-C, or the end of the input (Ctrl-D) or of the wait. */
export type Typed = { readonly line: string } | { readonly ended: 'interrupted' | 'closed'; readonly cause: unknown };

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
