/** Anything with a place in time, ms. */
type Timed = { readonly time: number };

/**
 * Merges sequences into one by time; each keeps its own order, and of equal times the earlier sequence goes first. Of each
 * one item is held, and the next is asked for when it was taken.
 */
export async function* mergeByTime<T extends Timed>(sequences: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const iterators = sequences.map((sequence) => sequence[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      let first: { readonly index: number; readonly value: T } | undefined;
      for (const [index, head] of heads.entries()) {
        if (head.done === true || (first !== undefined && first.value.time <= head.value.time)) continue;
        first = { index, value: head.value };
      }
      const iterator = first && iterators[first.index];
      if (first === undefined || iterator === undefined) return;
      yield first.value;
      heads[first.index] = await iterator.next();
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
