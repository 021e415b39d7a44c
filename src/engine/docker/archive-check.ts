import { basename } from 'node:path/posix';
import { extract, type Header } from 'tar-stream';

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
 * Looks through an archive of `path` before it is unpacked into another container: the first entry that would be
 * written anywhere else than below that path, with the reason, or undefined when there is none. Links inside are files
 * like others, wherever they lead, as long as nothing is written through them. Throws for bytes that are no archive.
 */
export async function findEscape(packed: Buffer, path: string): Promise<string | undefined> {
  const root = basename(path);
  const links = new Set<string>();
  let found: string | undefined;
  await eachEntry(packed, (header) => {
    const problem = problemOf(header, root, links);
    if (problem !== undefined) found ??= `${header.name}: ${problem}`;
    if (header.type === 'symlink') links.add(partsOf(header.name)?.join('/') ?? header.name);
  });
  return found;
}

/** How many entries an archive has. Throws for bytes that are no archive. */
export async function countEntries(packed: Buffer): Promise<number> {
  let count = 0;
  await eachEntry(packed, () => {
    count += 1;
  });
  return count;
}

const eachEntry = (packed: Buffer, look: (header: Header) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const reader = extract();
    reader.on('entry', (header, content, next) => {
      look(header);
      content.on('end', next).resume();
    });
    reader.on('error', reject);
    reader.on('finish', resolve);
    reader.end(packed);
  });
