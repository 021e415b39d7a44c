import type { Source } from './desired.ts';

/** Where a server was declared, as its label says it: `specs/a.yaml:3@<commit>`. */
export const sourceText = ({ file, line, commit }: Pick<Source, 'file' | 'line' | 'commit'>): string =>
  `${file}:${line}${commit === undefined ? '' : `@${commit}`}`;

/** Reads what `sourceText` wrote, `directory` aside. Other text is a file's name: anyone can write a label. */
export function parseSource(text: string, directory: string): Source {
  const match = /^(.+):(\d+)(?:@([0-9a-f]+(?:\+dirty)?))?$/s.exec(text);
  if (match === null) return { file: text, line: 1, directory };
  const [, file = text, line, commit] = match;
  return { file, line: Number(line), directory, ...(commit === undefined ? {} : { commit }) };
}
