/** What a client is told to do: start a command, or speak HTTP. */
export type EntryTarget =
  | {
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'http'; readonly url: string; readonly bearer: Bearer };

/** Where a client gets its token from. */
export type Bearer =
  | { readonly from: 'variable'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'value'; readonly value: string };

/** A file with its formats' own way to hold values, as JSON has them. */
export type Entry = Readonly<Record<string, unknown>>;

export type FileFormat = 'json' | 'toml' | 'yaml';

/** What stands before and behind a name where a client looks it up. */
type Reference = readonly [before: string, behind: string];

/** Where looms runs, as far as it says where clients keep their files. Paths are absolute. */
export type Place = {
  readonly platform: string;
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** How a client calls the parts of an entry that starts a command. */
type LocalShape = {
  readonly command: string;
  /** Absent: the command is a list that holds them. */
  readonly args?: string;
  readonly env: string;
  readonly more: Entry;
};

/** How a client calls the parts of an entry of an HTTP server, and how it is pointed at a token. */
type RemoteShape = {
  readonly url: string;
  readonly headers: string;
  readonly more: Entry;
  readonly variable?: Reference;
  readonly file?: Reference;
  /** The field that names the variable of the token instead of a header. */
  readonly tokenVariable?: string;
  /** The field that lists the variables that headers may name. */
  readonly variables?: string;
};

/** A program that speaks MCP, and where and how it is told of servers. */
export type Client = {
  readonly id: string;
  readonly title: string;
  readonly format: FileFormat;
  /** Below which key servers are, by name. */
  readonly key: string;
  /** Its user's own files, the usual one first; the first that is there is the one. */
  readonly files: (place: Place) => readonly string[];
  /** That of a folder that is worked in, relative to it. */
  readonly projectFile?: string;
  /** What else shows that it is used here. */
  readonly traces?: (place: Place) => readonly string[];
  /** Whether an entry holds its own name. */
  readonly named?: true;
  readonly local: LocalShape;
  /** Absent: it knows no HTTP. */
  readonly remote?: RemoteShape;
};

/** Whether a client can be told of a token without the token itself. */
export const refersToTokens = ({ remote }: Client): boolean =>
  (remote?.variable ?? remote?.file ?? remote?.tokenVariable) !== undefined;

/** How a client is best told of a token: by its file where it can read one, else by a variable, else as it is. */
export function bearerFor(
  { remote }: Client,
  token: { readonly file: string; readonly variable: string; readonly value: () => string; readonly shared: boolean },
): Bearer {
  // The path of a file is one of this machine, and means nothing in a file that others have as well.
  if (remote?.file !== undefined && !token.shared) return { from: 'file', path: token.file };
  if (remote?.variable !== undefined || remote?.tokenVariable !== undefined) {
    return { from: 'variable', name: token.variable };
  }
  return { from: 'value', value: token.value() };
}

/** The entry of a target as a client wants it. The client must know its kind of target. */
export function entryFor(client: Client, name: string, target: EntryTarget): Entry {
  const own = client.named === true ? { name, description: '' } : {};
  if (target.kind === 'stdio') {
    const { command, args, env, more } = client.local;
    const started = args === undefined ? { [command]: [target.command, ...target.args] } : {};
    const apart = args === undefined ? {} : { [command]: target.command, [args]: [...target.args] };
    return {
      ...own,
      ...more,
      ...started,
      ...apart,
      ...(Object.keys(target.env).length > 0 ? { [env]: target.env } : {}),
    };
  }
  const { remote } = client;
  if (remote === undefined) return {};
  return { ...own, ...remote.more, [remote.url]: target.url, ...authorization(remote, target.bearer) };
}

function authorization(remote: RemoteShape, bearer: Bearer): Entry {
  const header = (value: string): Entry => ({ [remote.headers]: { Authorization: `Bearer ${value}` } });
  if (bearer.from === 'value') return header(bearer.value);
  if (bearer.from === 'file') return header(wrapped(remote.file, bearer.path));
  if (remote.tokenVariable !== undefined) return { [remote.tokenVariable]: bearer.name };
  const listed = remote.variables === undefined ? {} : { [remote.variables]: [bearer.name] };
  return { ...header(wrapped(remote.variable, bearer.name)), ...listed };
}

const wrapped = ([before, behind]: Reference = ['', ''], name: string): string => `${before}${name}${behind}`;

/** What an entry makes its client do; variables and files are looked up later, by `resolve` of whoever does the same. */
export type ReadEntry =
  | Extract<EntryTarget, { kind: 'stdio' }>
  | {
      readonly kind: 'http';
      readonly url: string;
      /** As they are sent, but for what is looked up. */
      readonly headers: (
        lookUp: (reference: Exclude<Bearer, { from: 'value' }>) => string | undefined,
      ) => Readonly<Record<string, string>>;
    };

/** Reads an entry as its client does; undefined where it is none of either kind. */
export function readEntry({ local, remote }: Client, entry: Entry): ReadEntry | undefined {
  const command = entry[local.command];
  const words = local.args === undefined ? command : [command, ...listOf(entry[local.args])];
  if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string')) {
    const [first = '', ...args] = words;
    return { kind: 'stdio', command: first, args, env: textsOf(entry[local.env]) };
  }
  const url = remote === undefined ? undefined : entry[remote.url];
  if (remote === undefined || typeof url !== 'string') return undefined;
  const token = remote.tokenVariable === undefined ? undefined : entry[remote.tokenVariable];
  return {
    kind: 'http',
    url,
    headers: (lookUp) => ({
      ...Object.fromEntries(
        Object.entries(textsOf(entry[remote.headers])).map(([name, text]) => [name, filledIn(text, remote, lookUp)]),
      ),
      ...(typeof token === 'string'
        ? { Authorization: `Bearer ${lookUp({ from: 'variable', name: token }) ?? ''}` }
        : {}),
    }),
  };
}

function filledIn(
  text: string,
  remote: RemoteShape,
  lookUp: (reference: Exclude<Bearer, { from: 'value' }>) => string | undefined,
): string {
  const fill = (one: string, reference: Reference | undefined, value: (name: string) => string | undefined): string => {
    if (reference === undefined) return one;
    const [before, behind] = reference;
    const start = one.indexOf(before);
    const end = start === -1 ? -1 : one.indexOf(behind, start);
    if (end === -1) return one;
    return `${one.slice(0, start)}${value(one.slice(start + before.length, end)) ?? ''}${one.slice(end + behind.length)}`;
  };
  const byFile = fill(text, remote.file, (path) => lookUp({ from: 'file', path }));
  return fill(byFile, remote.variable, (name) => lookUp({ from: 'variable', name }));
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const textsOf = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(typeof value === 'object' && value !== null ? value : {}).flatMap(([name, one]) =>
      typeof one === 'string' ? [[name, one]] : [],
    ),
  );

/** Whether an entry starts `looms mcp stdio`, from wherever looms was then. */
export function startsLooms(client: Client, entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return false;
  const read = readEntry(client, entry as Entry);
  if (read?.kind !== 'stdio') return false;
  const words = [read.command, ...read.args];
  const at = words.findIndex((word, index) => word === 'mcp' && words[index + 1] === 'stdio');
  return at > 0 && /(^|[\\/])(looms(\.cmd)?|run\.js)$/.test(words[at - 1] ?? '');
}
