/** Forms of `-o` of `diff` and `validate`. */
export const reportFormats = ['text', 'json', 'markdown', 'junit', 'sarif', 'github'] as const;
export type ReportFormat = (typeof reportFormats)[number];

/** The words before `--`, which alone can be flags. */
export const flagWords = (argv: readonly string[]): readonly string[] => {
  const end = argv.indexOf('--');
  return end === -1 ? argv : argv.slice(0, end);
};

/** A flag's value by any of its names, from the words: an error follows the flags also where parsing failed. */
export function flagValue(argv: readonly string[], names: readonly string[]): string | undefined {
  const words = flagWords(argv);
  for (const [index, word] of words.entries()) {
    if (names.includes(word)) return words[index + 1];
    const name = names.find((one) => word.startsWith(one.startsWith('--') ? `${one}=` : one));
    if (name !== undefined) return word.slice(name.length).replace(/^=/, '');
  }
  return undefined;
}

/** The form of the answer that a command line asks for: `--json` and `-o json` are one. Undefined: text. */
export const outputFormat = (argv: readonly string[]): string | undefined =>
  flagWords(argv).includes('--json') ? 'json' : flagValue(argv, ['-o', '--output']);
