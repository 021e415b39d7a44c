import { expect, test } from 'vitest';
import { readStill } from '../../../src/app/watch/read-still.ts';

const signal = new AbortController().signal;

/** Reads what files say, one after the other; the last one again and again. */
async function reading(said: readonly string[], known?: string) {
  const pauses: number[] = [];
  let reads = 0;
  const found = readStill(
    { pause: async (milliseconds) => void pauses.push(milliseconds) },
    {
      read: async () => {
        const text = said[Math.min(reads, said.length - 1)] ?? '';
        reads += 1;
        return text;
      },
      digestOf: (text) => text,
      known,
      signal,
    },
  );
  return { found: await found.catch((error: unknown) => error), pauses, reads };
}

test('what files said before is believed at once', async () => {
  expect(await reading(['a b'], 'a b')).toEqual({ found: 'a b', pauses: [], reads: 1 });
});

test('what is new is believed when it is read twice: a folder that is half written takes nothing away', async () => {
  expect(await reading(['a', 'a b'], 'a b')).toEqual({ found: 'a b', pauses: [300, 300], reads: 3 });
  expect(await reading(['', 'a', 'a b'])).toMatchObject({ found: 'a b', reads: 4 });
  expect(await reading(['a'], 'a b')).toMatchObject({ found: 'a', reads: 2 });
});

test('files that do not come to rest are not believed', async () => {
  const { found, reads } = await reading(Array.from({ length: 100 }, (_, at) => `${at}`));
  expect(found).toMatchObject({ code: 'refused', message: expect.stringContaining('change again and again') });
  expect(reads).toBe(20);
});
