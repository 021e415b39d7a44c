import { LoomsError } from '../../../model/errors.ts';

/** Archives of a few small entries (ustar) for containers' `archive`; build contexts use a streaming library. */
export type TarEntry = {
  /** At most 100 bytes; a directory's ends with `/`. */
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Absent: a directory. */
  readonly content?: Buffer;
};

const block = 512;

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;

function header(entry: TarEntry): Buffer {
  if (Buffer.byteLength(entry.name) > 100)
    throw new LoomsError('internal', `name too long for an archive: ${entry.name}`);
  const bytes = Buffer.alloc(block);
  bytes.write(entry.name, 0);
  bytes.write(octal(entry.mode, 8), 100);
  bytes.write(octal(entry.uid, 8), 108);
  bytes.write(octal(entry.gid, 8), 116);
  bytes.write(octal(entry.content?.length ?? 0, 12), 124);
  bytes.write(octal(0, 12), 136);
  bytes.write(' '.repeat(8), 148);
  bytes.write(entry.content === undefined ? '5' : '0', 156);
  bytes.write('ustar\x0000', 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

const padding = (length: number): Buffer => Buffer.alloc((block - (length % block)) % block);

/** The bytes of an archive of `entries`; of an empty archive when there are none. */
export const packTar = (entries: readonly TarEntry[]): Buffer =>
  Buffer.concat([
    ...entries.flatMap((entry) => {
      const content = entry.content ?? Buffer.alloc(0);
      return [header(entry), content, padding(content.length)];
    }),
    Buffer.alloc(2 * block),
  ]);

/** The content of the first regular file in an archive; undefined when it has none. */
export function firstFile(archive: Buffer): Buffer | undefined {
  for (let at = 0; at + block <= archive.length; ) {
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 136), 8) || 0;
    const type = archive[at + 156];
    // '0' or NUL is a regular file; all else (directories, extended headers) is passed over.
    if ((type === 0x30 || type === 0) && archive[at] !== 0) return archive.subarray(at + block, at + block + size);
    at += block + Math.ceil(size / block) * block;
  }
  return undefined;
}
