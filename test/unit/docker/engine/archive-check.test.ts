import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { checkedArchive } from '../../../../src/docker/engine/containers/archive-check.ts';

type Entry = Partial<Header> & { readonly name: string };

function packed(entries: readonly Entry[]): Promise<Buffer> {
  const packer = pack();
  for (const entry of entries) packer.entry(entry as Header, entry.type === undefined ? 'text' : '');
  packer.finalize();
  return buffer(packer);
}

/** An archive in pieces of so many bytes. */
async function* pieces(archive: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
}

/** What is passed on of an archive, and why the rest is not. */
async function pass(
  archive: AsyncIterable<Buffer>,
  most = 2 ** 20,
): Promise<{ passed: Buffer; why: string | undefined }> {
  const passed: Buffer[] = [];
  try {
    for await (const piece of checkedArchive(archive, '/var/state', most)) passed.push(piece);
    return { passed: Buffer.concat(passed), why: undefined };
  } catch (error) {
    return { passed: Buffer.concat(passed), why: String(error) };
  }
}

/** Why an archive is refused, whatever pieces it comes in; undefined when all of it is passed on. */
async function check(entries: readonly Entry[]): Promise<string | undefined> {
  const archive = await packed(entries);
  const whole = await pass(pieces(archive, archive.length));
  for (const size of [511, 512, 700]) expect((await pass(pieces(archive, size))).why).toBe(whole.why);
  if (whole.why === undefined) expect(whole.passed.equals(archive)).toBe(true);
  return whole.why;
}

const folder: Entry = { name: 'state/', type: 'directory' };

describe('an archive of a path', () => {
  it('is passed on as it comes, and nothing of an entry that is refused', async () => {
    const good = await packed([folder, { name: 'state/file' }]);
    const upTo = good.length - 1024;
    const archive = Buffer.concat([good.subarray(0, upTo), await packed([{ name: '/etc/passwd' }])]);
    const { passed, why } = await pass(pieces(archive, 512));
    expect(why).toContain('/etc/passwd: it lies outside the path');
    expect(passed.equals(good.subarray(0, upTo))).toBe(true);
  });

  it('is given up where it is too large, is cut off, or is none', async () => {
    const archive = await packed([{ name: 'state' }]);
    expect((await pass(pieces(archive, 512), 1024)).why).toContain('larger than');
    expect((await pass(pieces(archive.subarray(0, 514), 100))).why).toContain('cannot be read');
    const noise = await pass(pieces(Buffer.alloc(2048, 'x'), 512));
    expect(noise).toMatchObject({ passed: Buffer.alloc(0), why: expect.stringContaining('cannot be read') });
  });

  it('passes with files, folders, pipes, long names, and links that nothing is written through', async () => {
    const long = `state/${'deep/'.repeat(60)}file`;
    const links: Entry[] = [
      { name: 'state/python', type: 'symlink', linkname: '/usr/bin/python3' },
      { name: 'state/up', type: 'symlink', linkname: '../../etc' },
      { name: 'state/same', type: 'link', linkname: 'state/file' },
      { name: 'state/pipe', type: 'fifo' },
      { name: 'state/python3', type: 'symlink', linkname: 'python' },
    ];
    expect(await check([folder, { name: 'state/file' }, { name: long }, ...links])).toBeUndefined();
    expect(await check([{ name: 'state' }])).toBeUndefined();
    expect(await check([{ name: './state/file' }])).toBeUndefined();
  });

  it.each<[string, readonly Entry[], string]>([
    ['climbs out', [folder, { name: 'state/../../etc/passwd' }], 'outside the path'],
    ['is absolute', [{ name: '/etc/passwd' }], 'outside the path'],
    ['lies beside the path', [folder, { name: 'other/file' }], 'outside the path'],
    ['begins with the same letters', [{ name: 'state2/file' }], 'outside the path'],
    [
      'is written through a link',
      [folder, { name: 'state/a', type: 'symlink', linkname: '/etc' }, { name: 'state/a/passwd' }],
      'through a link',
    ],
    [
      'takes the place of a link',
      [folder, { name: 'state/a', type: 'symlink', linkname: '/etc/passwd' }, { name: 'state/a' }],
      'through a link',
    ],
    [
      'is a hard link to somewhere else',
      [folder, { name: 'state/a', type: 'link', linkname: '/etc/shadow' }],
      'hard link',
    ],
    ['is a hard link that climbs out', [{ name: 'state/a', type: 'link', linkname: 'state/../x' }], 'hard link'],
    [
      'is a hard link through a link',
      [
        folder,
        { name: 'state/a', type: 'symlink', linkname: '/etc' },
        { name: 'state/b', type: 'link', linkname: 'state/a/shadow' },
      ],
      'through a link',
    ],
    ['is a device', [folder, { name: 'state/sda', type: 'block-device' }], 'device'],
    ['is the path itself, as a link', [{ name: 'state', type: 'symlink', linkname: '/etc' }], 'left behind'],
  ])('is refused when an entry %s', async (_, entries, why) => {
    expect(await check(entries)).toContain(why);
  });
});
