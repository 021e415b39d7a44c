/** Endings of files by media type, for those that servers send; any other type gets none that could mislead. */
const endings: Readonly<Record<string, string>> = {
  'application/gzip': 'gz',
  'application/json': 'json',
  'application/pdf': 'pdf',
  'application/xml': 'xml',
  'application/zip': 'zip',
  'audio/mp4': 'm4a',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg',
  'audio/wav': 'wav',
  'audio/x-wav': 'wav',
  'image/gif': 'gif',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/svg+xml': 'svg',
  'image/webp': 'webp',
  'text/css': 'css',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/plain': 'txt',
  'text/xml': 'xml',
  'text/yaml': 'yaml',
};

/** The ending for a media type, its parameters aside, without a dot: `png`; `bin` for one that is not known. */
export function endingOf(mimeType: string | undefined): string {
  const type = (mimeType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return Object.hasOwn(endings, type) ? (endings[type] ?? 'bin') : 'bin';
}

/** Longest stem of a file's name, so that number and ending fit into the 255 bytes that file systems allow. */
const longestStem = 100;

/** A name as part of a file's: letters, digits, `.`, `-`, `_`, never hidden, so that no server picks a folder. */
export function safeStem(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]+/g, '_').slice(0, longestStem);
  return plain.replace(/^[._-]+/, '').replace(/[._-]+$/, '') || 'content';
}

/** The last part of a resource's URI as a stem and, where it has one of its own, an ending. */
export function nameOfUri(
  uri: string,
  mimeType: string | undefined,
): { readonly stem: string; readonly ending: string } {
  const last = uri.split(/[?#]/)[0]?.split('/').filter(Boolean).at(-1) ?? '';
  const match = /^(.+)\.([A-Za-z0-9]{1,8})$/.exec(last);
  return match === null
    ? { stem: safeStem(last), ending: endingOf(mimeType) }
    : { stem: safeStem(match[1] ?? ''), ending: match[2] ?? 'bin' };
}
