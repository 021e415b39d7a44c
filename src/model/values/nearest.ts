/** Edit distance (insert, delete, replace, swap of neighbours), or `limit + 1` once it cannot be at most `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? limit + 1;
}

/**
 * The candidate that `word` was probably meant to be, or undefined when none is near: at most a third of the word
 * differs, case and `-`/`_` aside. A candidate that contains the word, or that the word begins with, counts as near too.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '');
  const wanted = plain(word.slice(0, 80));
  if (wanted === '') return undefined;
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const found = distance(wanted, plain(candidate), limit);
    if (found <= limit && (best === undefined || found < best.distance)) best = { candidate, distance: found };
  }
  if (best !== undefined) return best.candidate;
  if (wanted.length < 3) return undefined;
  return candidates.find((candidate) => plain(candidate).includes(wanted) || wanted.startsWith(plain(candidate)));
}

/** `did you mean fs? ` before what else there is to say, where a candidate is near. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates);
  return near === undefined ? '' : `did you mean ${near}? `;
}
