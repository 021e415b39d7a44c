/**
 * Lets work go on whose output is not taken any more, with what it holds in the engine, and tells in the end why. A reader
 * that went away (`| head`) has what it wanted.
 */
export function watchOutput(): () => Error | undefined {
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
  return () => reason;
}
