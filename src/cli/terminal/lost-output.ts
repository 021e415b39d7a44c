/** `cannotWrite` of exit-codes.ts, which loads more than the way to a gateway may. */
const cannotWrite = 73;

/**
 * Lets work go on whose output is not taken any more, with what it holds in the engine. What comes back ends the process
 * with `process.exitCode` once all is written, and tells what was not, and why. A reader that went away (`| head`) has what
 * it wanted.
 */
export function watchOutput(): () => Promise<never> {
  let reason: Error | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') reason ??= error;
    });
    // To a file Node writes at once, and throws at whoever wrote instead of telling the stream.
    const write = stream._write;
    stream._write = (chunk, encoding, done) => {
      try {
        write.call(stream, chunk, encoding, done);
      } catch (error) {
        done(error as Error);
      }
    };
  }
  return async () => {
    await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
    if (reason !== undefined) {
      process.exitCode ||= cannotWrite;
      process.stderr.write(`error[file-not-writable]: the output could not be written: ${reason.message}\n`);
    }
    // What a second Ctrl-C abandoned must not hold the process, nor must connections that are kept alive.
    process.exit();
  };
}
