import { once } from 'node:events';

/**
 * Writes lines to stdout as they come, no faster than its reader takes them. Returns early, without an error, when the
 * reader has gone: `looms audit --json | head` is no failure. Every line ends with a newline of ours.
 */
export async function writeLines(lines: AsyncIterable<string>): Promise<void> {
  const { stdout } = process;
  const gone = new AbortController();
  const onError = (error: Error) => {
    if (!('code' in error) || error.code !== 'EPIPE') throw error;
    gone.abort();
  };
  // Stays: the error of a line that is under way comes after the last one was written.
  stdout.on('error', onError);
  for await (const line of lines) {
    if (gone.signal.aborted) return;
    if (stdout.write(`${line}\n`)) continue;
    await once(stdout, 'drain', { signal: gone.signal }).catch((error: unknown) => {
      if (!gone.signal.aborted) throw error;
    });
  }
}
