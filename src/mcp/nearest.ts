/**
 * The candidate that a mistyped name most likely meant, or undefined when none is near enough. Near: the number of
 * edits (with swapped neighbours as one) is at most a third of the longer name, or one contains the other. Only ever
 * suggested, never used in its place (facts.md: a corrected tool name that is then called is a fault).
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = fold(name);
  let best: { candidate: string; score: number } | undefined;
  for (const candidate of candidates) {
    const other = fold(candidate);
    const longest = Math.max(wanted.length, other.length);
    const distance = editDistance(wanted, other);
    const contains = wanted.length >= 3 && other.length >= 3 && (other.includes(wanted) || wanted.includes(other));
    if (distance > Math.max(1, Math.floor(longest / 3)) && !contains) continue;
    const score = contains ? Math.min(distance, longest / 3) : distance;
    if (best === undefined || score < best.score) best = { candidate, score };
  }
  return best?.candidate;
}

const fold = (name: string): string => name.toLowerCase().replaceAll('-', '_');

/** Optimal string alignment distance, three rows at a time. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, at(beforeLast, j - 2) + 1);
      }
      row.push(value);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;
