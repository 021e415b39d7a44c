/** The last things of a stream, each with a number that stays its own. */
export type Ring<T> = { readonly items: readonly (T & { readonly key: number })[]; readonly dropped: number };

export const emptyRing = { items: [], dropped: 0 } as const;

/** A ring with what came, of which the last `most` stay. */
export function withMore<T>({ items, dropped }: Ring<T>, more: readonly T[], most: number): Ring<T> {
  const first = dropped + items.length;
  const all = [...items, ...more.map((one, at) => ({ ...one, key: first + at }))];
  const over = Math.max(0, all.length - most);
  return { items: over === 0 ? all : all.slice(over), dropped: dropped + over };
}
