/** `1 server`, `2 servers`. */
export const plural = (count: number, noun: string, many = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : many}`;

/** `at most 1 is allowed`, `at most 2 are allowed`. */
export const atMost = (limit: number): string => `at most ${limit} ${limit === 1 ? 'is' : 'are'} allowed`;
