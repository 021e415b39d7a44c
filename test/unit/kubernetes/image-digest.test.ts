import { describe, expect, it } from 'vitest';
import {
  digestSeen,
  readSeen,
  withDigest,
  withoutDigest,
  writeSeen,
} from '../../../src/kubernetes/model/image-digest.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('the digest that a node tells of an image', () => {
  it.each([
    ['debian:bookworm-slim', `docker.io/library/debian@${digest}`],
    ['registry.example:5000/team/fs:1', `registry.example:5000/team/fs@${digest}`],
    ['registry.example/fs', `docker-pullable://registry.example/fs@${digest}`],
  ])('is that of %s where it is pulled from the same place', (image, id) => {
    expect(digestSeen(image, id)).toBe(digest);
  });

  it.each([
    ['an image that was loaded has an id alone', 'debian:bookworm-slim', digest],
    ['the same content is known from another place', 'debian:bookworm-slim', `mirror.example/debian@${digest}`],
    ['the image has its digest in its name', `debian@${digest}`, `docker.io/library/debian@${digest}`],
    ['the node does not tell it yet', 'debian:bookworm-slim', ''],
    ['the node tells nothing', 'debian:bookworm-slim', undefined],
    ['it is no digest', 'debian:bookworm-slim', 'docker.io/library/debian@sha256:abc'],
    ['neither is a reference', '', ''],
  ])('is none where %s', (_, image, id) => {
    expect(digestSeen(image, id)).toBeUndefined();
  });

  it('is kept with a signature, and other text is none', () => {
    expect(readSeen(writeSeen(digest, 'key:signature'))).toEqual({ digest, signature: 'key:signature' });
    expect(['', 'sha256:1 key', `${digest} a b`].map(readSeen)).toEqual([undefined, undefined, undefined]);
  });
});

it('stands behind the name of an image once', () => {
  const pinned = withDigest('registry.example:5000/node:0', digest);
  expect(pinned).toBe(`registry.example:5000/node:0@${digest}`);
  expect([withDigest(pinned, digest), withoutDigest(pinned)]).toEqual([pinned, 'registry.example:5000/node:0']);
});
