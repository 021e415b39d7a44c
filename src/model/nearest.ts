/** Upper and lower case, dashes and underscores are no mistakes worth counting. */
const folded = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '');

/** Edits that turn one word into the other: insert, delete, change, swap of neighbours. */
function edits(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(change, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    [beforePrevious, previous] = [previous, current];
  }
  return previous[b.length] ?? 0;
}

/**
 * The candidate that a mistyped name was probably meant to be: at most a third of it in edits away. Only ever suggested,
 * never used in its place (facts.md: a corrected name that is then called is a fault).
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const wanted = folded(name.slice(0, 80));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = edits(wanted, folded(candidate));
    const limit = Math.max(1, Math.floor(wanted.length / 3));
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { candidate, distance };
  }
  return best?.candidate;
}
