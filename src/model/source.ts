import type { Source } from './desired.ts';

/** A commit that servers were declared in, as far as its repository tells. */
export type GitCommit = {
  readonly id: string;
  /** `Name <address>`: what the author wrote, which only a signature vouches for. */
  readonly author: string;
  /** Unchecked: nobody said whose signatures count. */
  readonly signature:
    | { readonly state: 'good'; readonly by: string }
    | { readonly state: 'not-accepted' | 'unchecked' | 'none' };
};

const signatureWords = {
  'not-accepted': 'signature not accepted',
  unchecked: 'signature not checked',
  none: 'not signed',
};

/** Who made a commit, and whether it is signed: `Ann <ann@example.com>, signed by ann@example.com`. */
export const commitWords = ({ author, signature }: GitCommit): string =>
  `${author}, ${signature.state === 'good' ? `signed by ${signature.by}` : signatureWords[signature.state]}`;

/** Where a server was declared, as its label says it: `specs/a.yaml:3@<commit> (<who>)`. */
export const sourceText = ({ file, line, commit, commitBy }: Omit<Source, 'directory'>): string => {
  const by = commitBy === undefined ? '' : ` (${commitBy})`;
  return `${file}:${line}${commit === undefined ? '' : `@${commit}${by}`}`;
};

/** Reads what `sourceText` wrote, `directory` aside. Other text is a file's name: anyone can write a label. */
export function parseSource(text: string, directory: string): Source {
  const match = /^(.+?):(\d+)(?:@([0-9a-f]+(?:\+dirty)?)(?: \((.+)\))?)?$/s.exec(text);
  if (match === null) return { file: text, line: 1, directory };
  const [, file = text, line, commit, commitBy] = match;
  return {
    file,
    line: Number(line),
    directory,
    ...(commit === undefined ? {} : { commit }),
    ...(commitBy === undefined ? {} : { commitBy }),
  };
}

/** Where a server was declared, before what is to be said of it: `specs/a.yaml:3: `; '' where that is not known. */
export const declaredAt = ({ file, line }: Source): string =>
  line === 0 ? '' : `${file === '-' ? '<stdin>' : file}:${line}: `;
