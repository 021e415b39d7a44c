import type { DeclaredServer, Source } from './desired.ts';

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

/** A place in a file, for people and for programs. */
export type FilePlace = Pick<Source, 'file' | 'line'>;

/** Where a field of a server was declared; undefined where that is not known. */
export function fieldPlace({ source, lineOf }: Pick<DeclaredServer, 'source' | 'lineOf'>, path: string) {
  const { file, line } = source;
  return line === 0 ? undefined : ({ file, line: lineOf?.(path) ?? line } satisfies FilePlace);
}

export const placeText = ({ file, line }: FilePlace): string => `${file === '-' ? '<stdin>' : file}:${line}`;

/** What is to be said of a field of a server, with where that stands: `specs/a.yaml:3: mcp_server.replicas: …`. */
export function atField(server: Pick<DeclaredServer, 'source' | 'lineOf'>, path: string, message: string): string {
  const place = fieldPlace(server, path);
  return `${place === undefined ? '' : `${placeText(place)}: `}${path}: ${message}`;
}
