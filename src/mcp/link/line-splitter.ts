type SplitResult = {
  /** Complete lines, without their newline. */
  readonly lines: readonly Buffer[];
  /** Set once a line grew beyond the limit: nothing after it can be trusted, the stream must be given up. */
  readonly overflow: boolean;
};

type LineSplitter = {
  readonly push: (chunk: Buffer) => SplitResult;
  /** What came after the last newline. */
  readonly rest: () => Buffer;
};

/**
 * Cuts a byte stream into lines. Bytes, not text: a character may be split between chunks, a newline byte never is.
 * The parts of an unfinished line are kept in a list and joined once, so that a frame in many small chunks costs linear
 * time. `maxBytes` bounds one line.
 */
export function createLineSplitter(maxBytes: number): LineSplitter {
  let parts: Buffer[] = [];
  let length = 0;

  const take = (last: Buffer): Buffer => {
    if (parts.length === 0) return last;
    parts.push(last);
    const line = Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };

  return {
    push(chunk) {
      const lines: Buffer[] = [];
      let start = 0;
      for (;;) {
        const newline = chunk.indexOf(0x0a, start);
        const end = newline === -1 ? chunk.length : newline;
        if (length + end - start > maxBytes) {
          parts = [];
          length = 0;
          return { lines, overflow: true };
        }
        if (newline === -1) break;
        lines.push(take(chunk.subarray(start, end)));
        start = newline + 1;
      }
      if (start < chunk.length) {
        parts.push(chunk.subarray(start));
        length += chunk.length - start;
      }
      return { lines, overflow: false };
    },
    rest: () => Buffer.concat(parts),
  };
}
