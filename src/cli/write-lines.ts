import { once } from 'node:events';

/** Characters that are gathered before they are written: a write for each line took five times as long. */
const chunkLength = 64 * 1024;

/**
 * Writes lines to stdout, some at a time, and no faster than its reader takes them. Returns early, without an error, when
 * the reader has gone: `looms audit --json | head` is no failure. Every line ends with a newline of ours.
 */
export async function writeLines(lines: AsyncIterable<string>): Promise<void> {
  const { stdout } = process;
  const gone = new AbortController();
  // Stays: the error of a chunk that is under way comes after the last one was written.
  stdout.on('error', (error: Error) => {
    if (!('code' in error) || error.code !== 'EPIPE') throw error;
    gone.abort();
  });
  const write = async (text: string): Promise<void> => {
    if (text === '' || stdout.write(text)) return;
    await once(stdout, 'drain', { signal: gone.signal }).catch((error: unknown) => {
      if (!gone.signal.aborted) throw error;
    });
  };
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < chunkLength) continue;
    await write(chunk);
    if (gone.signal.aborted) return;
    chunk = '';
  }
  await write(chunk);
}
