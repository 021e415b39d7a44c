import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { findEscape } from '../../../src/engine/docker/archive-check.ts';

type Entry = Partial<Header> & { readonly name: string };

async function check(entries: readonly Entry[], path = '/var/state'): Promise<string | undefined> {
  const packer = pack();
  for (const entry of entries) packer.entry(entry as Header, entry.type === undefined ? 'text' : '');
  packer.finalize();
  return findEscape(await buffer(packer), path);
}

const folder: Entry = { name: 'state/', type: 'directory' };

describe('an archive of a path', () => {
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
