/** An answer as a whole. */
export type PlainAnswer = {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the connection may carry another request. */
  readonly keeps: boolean;
};

/** Takes the bytes of one answer as they come. `odd`: it is framed otherwise than engines frame theirs. */
export type AnswerReader = (bytes: Buffer) => PlainAnswer | 'more' | 'odd';

/** Longest head of an answer, bytes; Node's own bound. */
const longestHead = 16 * 1024;
const headEnd = Buffer.from('\r\n\r\n');
const lineEnd = Buffer.from('\r\n');
const nothing = Buffer.alloc(0);

type Head = Pick<PlainAnswer, 'status' | 'keeps'> & {
  /** Of the body, bytes; undefined for one that comes in chunks. */
  readonly length: number | undefined;
};

/** Undefined for a head with anything that decides about the body and is not plain: who reads more than this knows. */
function readHead(text: string): Head | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const [, code] = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first) ?? [];
  if (code === undefined) return undefined;
  const status = Number(code);
  const said = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    if (key !== 'content-length' && key !== 'transfer-encoding' && key !== 'connection' && key !== 'upgrade') continue;
    if (said.has(key)) return undefined;
    said.set(key, value.toLowerCase());
  }
  const [length, coding, connection] = ['content-length', 'transfer-encoding', 'connection'].map((key) =>
    said.get(key),
  );
  if (said.has('upgrade') || (connection ?? 'keep-alive') !== 'keep-alive') return undefined;
  if (status === 204 || status === 304)
    return { status, keeps: length === undefined && coding === undefined, length: 0 };
  if (coding === undefined)
    return /^\d{1,10}$/.test(length ?? '') ? { status, keeps: true, length: Number(length) } : undefined;
  return coding === 'chunked' && length === undefined ? { status, keeps: true, length } : undefined;
}

/** Reads one answer to a GET: a body of a stated length or in chunks, as all engines send it over HTTP/1.1. */
export function answerReader(): AnswerReader {
  let unread: Buffer = nothing;
  let head: Head | undefined;
  const parts: Buffer[] = [];
  /** What is to come of the body or of the chunk that is being read, bytes. */
  let missing = 0;
  let at: 'head' | 'body' | 'chunk' | 'chunk-end' | 'size' | 'last' = 'head';

  const done = ({ status, keeps }: Head): PlainAnswer => ({
    status,
    body: parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts),
    // What nobody asked for has no place behind an answer.
    keeps: keeps && unread.length === 0,
  });
  const skip = (length: number): void => {
    unread = unread.subarray(length);
  };
  const step = (): PlainAnswer | 'more' | 'odd' | 'next' => {
    if (at === 'head') {
      const end = unread.indexOf(headEnd);
      if (end === -1 || end > longestHead) return unread.length > longestHead ? 'odd' : 'more';
      head = readHead(unread.toString('latin1', 0, end));
      skip(end + headEnd.length);
      if (head === undefined) return 'odd';
      missing = head.length ?? 0;
      at = head.length === undefined ? 'size' : 'body';
      return 'next';
    }
    if (head === undefined) return 'odd';
    if (at === 'body' || at === 'chunk') {
      const part = unread.subarray(0, missing);
      if (part.length > 0) parts.push(part);
      missing -= part.length;
      skip(part.length);
      if (missing > 0) return 'more';
      if (at === 'body') return done(head);
      at = 'chunk-end';
      return 'next';
    }
    const end = unread.indexOf(lineEnd);
    // A size has eight digits at most.
    if (end === -1) return unread.length > 9 ? 'odd' : 'more';
    const line = unread.toString('latin1', 0, end);
    skip(end + lineEnd.length);
    if (at === 'size') {
      if (!/^[0-9a-f]{1,8}$/i.test(line)) return 'odd';
      missing = Number.parseInt(line, 16);
      at = missing === 0 ? 'last' : 'chunk';
      return 'next';
    }
    // Behind a chunk, and behind the last one, where trailers would stand.
    if (line !== '') return 'odd';
    if (at === 'last') return done(head);
    at = 'size';
    return 'next';
  };
  return (bytes) => {
    unread = unread.length === 0 ? bytes : Buffer.concat([unread, bytes]);
    for (;;) {
      const found = step();
      if (found !== 'next') return found;
    }
  };
}
