/** How much is done on an engine at once unless something else is asked for: four for each of its processors, 4 to 16. */
export const engineWidth = (cpus: number): number => Math.min(mostAtOnce, Math.max(4, cpus * 4));

/** Of the same where many machines share it, as a cluster's. */
export const mostAtOnce = 16;

/** Maps `items` in their order, at most `width` at once. The first failure rejects and no further item is begun. */
export async function mapBounded<T, R>(
  items: readonly T[],
  width: number,
  map: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (failed) return;
      try {
        results[index] = await map(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
