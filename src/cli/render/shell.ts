/** A word as it must be typed into a POSIX shell: in single quotes where the shell would read more into it. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
