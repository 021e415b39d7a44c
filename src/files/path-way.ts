import { lstat, readlink } from 'node:fs/promises';
import { isAbsolute, join, parse, sep } from 'node:path';
import type { PathHop, PathWay } from './port.ts';

/** As many links as Linux follows in one path (path_resolution(7)). */
const mostLinks = 40;

type Part = { readonly name: string; readonly link?: string };

/**
 * What a path goes through, from the root on: each folder, each link and what it leads through, and what is at the end.
 * Ends where nothing is, where something cannot be looked at, and after 40 links.
 */
export async function pathWay(path: string): Promise<PathWay> {
  const hops: PathHop[] = [];
  const { root } = parse(path);
  const left: Part[] = ['', ...path.slice(root.length).split(sep)].map((name) => ({ name }));
  let at = root;
  let links = 0;
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    const { name, link } = part;
    const next = join(at, name);
    const found = await lstat(next).catch(() => undefined);
    const target = found?.isSymbolicLink() === true ? await readlink(next).catch(() => undefined) : undefined;
    if (found === undefined || links > mostLinks) return { hops, ...(link === undefined ? {} : { deadLink: link }) };
    const kind = target !== undefined ? 'link' : found.isDirectory() ? 'folder' : 'other';
    if (!hops.some((hop) => hop.path === next)) {
      hops.push({ path: next, kind, uid: found.uid, mode: found.mode & 0o7777 });
    }
    if (target === undefined) {
      at = next;
      continue;
    }
    links += 1;
    if (isAbsolute(target)) at = root;
    left.unshift(...target.split(sep).map((each) => ({ name: each, link: next })));
  }
  return { hops };
}
