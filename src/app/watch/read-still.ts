import { LoomsError } from '../../model/errors.ts';

/** How long files have to say the same, ms, and how often they are read until they do. */
const stillMs = 300;
const mostReads = 20;

type Still<T> = {
  readonly read: () => Promise<T>;
  /** What it says: what does not change it is no change. */
  readonly digestOf: (source: T) => string;
  /** What it said last; undefined for nothing yet. */
  readonly known: string | undefined;
  readonly signal: AbortSignal;
};

/**
 * What files say that somebody may be writing just now: what is new is believed when it is read twice, so that neither a
 * folder that is half copied nor a file that is half written takes servers away. Throws what `read` throws, and `refused`
 * for files that do not come to rest.
 */
export async function readStill<T>(
  { pause }: { readonly pause: (ms: number, signal: AbortSignal) => Promise<void> },
  { read, digestOf, known, signal }: Still<T>,
): Promise<T> {
  let found = await read();
  let digest = digestOf(found);
  if (digest === known) return found;
  for (let reads = 1; reads < mostReads; reads += 1) {
    await pause(stillMs, signal);
    const before = digest;
    found = await read();
    digest = digestOf(found);
    if (digest === before) return found;
  }
  throw new LoomsError('refused', 'the files change again and again while they are read', {
    hint: 'write them elsewhere, and put them in place with one rename',
  });
}
