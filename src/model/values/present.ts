/** The entries of a list that are there, where others are only there under a condition: `[one, isSo && another]`. */
export const present = <T>(entries: readonly (T | false)[]): readonly T[] =>
  entries.filter((entry): entry is T => entry !== false);
