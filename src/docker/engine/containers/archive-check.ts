import { basename } from 'node:path/posix';
import type { Header } from 'tar-stream';
import { LoomsError } from '../../../model/errors.ts';
import { messageOf } from '../../../model/failure.ts';

/** An entry's name in parts; undefined for one that leads somewhere else: absolute, empty, or with `..`. */
function partsOf(name: string): readonly string[] | undefined {
  const parts = name.replace(/^\.\//, '').replace(/\/$/, '').split('/');
  return parts.some((part) => part === '' || part === '.' || part === '..') ? undefined : parts;
}

/** Whether a name, or a folder on the way to it, is one of `links`. */
const leadsThrough = (parts: readonly string[], links: ReadonlySet<string>): boolean =>
  parts.some((_, index) => links.has(parts.slice(0, index + 1).join('/')));

/** Why an entry is refused, given the links that came before it; undefined when it may pass. */
function problemOf({ name, type, linkname }: Header, root: string, links: ReadonlySet<string>): string | undefined {
  const parts = partsOf(name);
  if (parts?.[0] !== root) return 'it lies outside the path';
  if (leadsThrough(parts, links)) return 'it would be written through a link';
  switch (type) {
    case 'character-device':
    case 'block-device':
      return 'it is a device';
    case 'symlink':
      return parts.length === 1 ? 'the path itself is a link, and what it leads to would be left behind' : undefined;
    case 'link': {
      const target = partsOf(linkname ?? '');
      if (target?.[0] !== root) return `it is a hard link to ${linkname ?? 'nothing'}, outside the path`;
      // A link that is itself the target is a file like others; only the folders on the way lead elsewhere.
      return leadsThrough(target.slice(0, -1), links)
        ? `it is a hard link to ${linkname ?? 'nothing'}, through a link`
        : undefined;
    }
    default:
      return undefined;
  }
}

/**
 * Passes on an archive of `path` while it is read, each piece only after the headers in it were looked at, so that whoever
 * unpacks it meets no entry that would be written anywhere else than below that path. Links inside are files like others,
 * wherever they lead, as long as nothing is written through them.
 * Throws `engine-rejected` with the first entry that is refused, above `mostBytes`, and for bytes that are no archive.
 */
export async function* checkedArchive(
  archive: AsyncIterable<Buffer>,
  path: string,
  mostBytes: number,
): AsyncGenerator<Buffer> {
  const root = basename(path);
  const links = new Set<string>();
  let found: string | undefined;
  const reader = await headerReader((header) => {
    const problem = problemOf(header, root, links);
    if (problem !== undefined) found ??= `${header.name}: ${problem}`;
    if (header.type === 'symlink') links.add(partsOf(header.name)?.join('/') ?? header.name);
  });
  let length = 0;
  try {
    for await (const piece of archive) {
      length += piece.length;
      await reader.read(piece);
      if (found !== undefined) {
        throw new LoomsError('engine-rejected', `${path} cannot be copied: ${found}`, {
          hint: 'name in lifecycle.preserve the folder itself that holds the files',
        });
      }
      if (length > mostBytes) {
        throw new LoomsError('engine-rejected', `${path} is larger than ${mostBytes / 1024 ** 3} GiB`, {
          hint: 'keep it in a named volume instead of lifecycle.preserve',
        });
      }
      yield piece;
    }
    await reader.end();
  } finally {
    reader.close();
  }
}

/** How many entries an archive has. Throws `engine-rejected` for bytes that are no archive. */
export async function countEntries(packed: Buffer): Promise<number> {
  let count = 0;
  const reader = await headerReader(() => {
    count += 1;
  });
  try {
    await reader.read(packed);
    await reader.end();
  } finally {
    reader.close();
  }
  return count;
}

/** Reads the headers of an archive piece by piece; `read` ends when all that are whole by then were looked at. */
async function headerReader(look: (header: Header) => void) {
  // Few runs copy anything, and loading it costs more than a dozen calls to the engine.
  // Where it is bundled, a package of CommonJS that is loaded late has nothing but a default.
  const tar = await import('tar-stream');
  const { extract } = 'extract' in tar ? tar : (tar as { default: typeof import('tar-stream') }).default;
  // With room for nothing, it asks for more (`drain`) only when it is through with what it has.
  const reader = extract({ highWaterMark: 1 });
  reader.on('entry', (header, content, next) => {
    look(header);
    // It fails with the reader, which tells why.
    content.on('error', () => undefined);
    content.on('end', next).resume();
  });
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // Whoever reads waits for it; when nobody does any more, nobody needs to know.
  failed.catch(() => undefined);
  reader.on('error', (cause) =>
    fail(new LoomsError('engine-rejected', `the engine's archive cannot be read: ${messageOf(cause)}`, { cause })),
  );
  const settled = (act: (done: () => void) => void): Promise<void> => Promise.race([new Promise<void>(act), failed]);
  return {
    read: (piece: Buffer): Promise<void> =>
      settled((done) => {
        if (reader.write(piece)) done();
        else reader.once('drain', done);
      }),
    end: (): Promise<void> =>
      settled((done) => {
        reader.once('finish', done);
        reader.end(null);
      }),
    close: (): void => reader.destroy(),
  };
}
