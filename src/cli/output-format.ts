/** The words before `--`, which alone can be flags. */
export const flagWords = (argv: readonly string[]): readonly string[] => {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
};

/**
 * The form of the answer that a command line asks for: `--json` and `-o json` are one. Read from the words themselves,
 * since an error must come in that form also where they could not be parsed. Undefined: text.
 */
export function outputFormat(argv: readonly string[]): string | undefined {
  const words = flagWords(argv);
  if (words.includes('--json')) return 'json';
  for (const [index, word] of words.entries()) {
    if (word === '-o' || word === '--output') return words[index + 1];
    const value = /^(?:--output=|-o=?)(.+)$/.exec(word)?.[1];
    if (value !== undefined) return value;
  }
  return undefined;
}
