/** What an escape may be: characters as URLs write them, or as HTML does. */
const percent = '(?:%[0-9a-f]{2})+';
const entity = '&(?:amp|lt|gt|quot|apos|#\\d+|#x[0-9a-f]+);';
const escapes = {
  none: /(?!)/g,
  percent: new RegExp(percent, 'gi'),
  entity: new RegExp(entity, 'gi'),
  both: new RegExp(`${percent}|${entity}`, 'gi'),
} as const;

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** A text with its escapes read, and for each of its characters, and for its end, where that stands in what was read. */
type Unescaped = { readonly plain: string; readonly starts: Uint32Array };

/** Reads the escapes of these kinds, once; a `+` is a space, as forms write it. Takes time in proportion to the text. */
export function unescaped(text: string, kinds: keyof typeof escapes): Unescaped {
  const starts = new Uint32Array(text.length + 1);
  const pieces: string[] = [];
  let length = 0;
  let read = 0;
  const put = (piece: string, startOf: (index: number) => number): void => {
    for (let index = 0; index < piece.length; index += 1) starts[length + index] = startOf(index);
    length += piece.length;
    pieces.push(piece);
  };
  const copyTo = (end: number): void => {
    const from = read;
    put(text.slice(from, end), (index) => from + index);
  };
  for (const { 0: found, index: at } of text.matchAll(escapes[kinds])) {
    copyTo(at);
    if (found.startsWith('&')) put(ofEntity(found.slice(1, -1).toLowerCase()), () => at);
    else for (const [character, start] of ofPercent(found)) put(character, () => at + start);
    read = at + found.length;
  }
  copyTo(text.length);
  starts[length] = text.length;
  return { plain: pieces.join('').replaceAll('+', ' '), starts };
}

function ofEntity(name: string): string {
  const code = name.startsWith('#x') ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
  return named[name] ?? String.fromCodePoint(code <= 0x10ffff ? code : 0xfffd);
}

/** The characters of `%C3%A9…`, with where each begins; bytes that are no UTF-8 are U+FFFD. */
function* ofPercent(run: string): Generator<readonly [character: string, start: number]> {
  const bytes = Buffer.from(run.replaceAll('%', ''), 'hex');
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const size = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    yield [bytes.toString('utf8', at, at + size), at * 3];
    at += size;
  }
}

/** What `unescaped` makes of a value that was escaped wholly, in part or not at all, also where it looks like an escape. */
export const readingsOf = (value: string): readonly string[] => {
  const kinds = Object.keys(escapes) as (keyof typeof escapes)[];
  return [...new Set(kinds.map((kind) => unescaped(value, kind).plain))];
};
