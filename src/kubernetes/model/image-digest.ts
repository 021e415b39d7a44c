import { isDigest, parseImageRef } from '../../model/container/image-ref.ts';

/**
 * The digest of the image of a generation: `pinned`, where its pods pull it by that; `seen`, where they pull it by its name
 * and one of them had this one when it passed its gate.
 */
export type ImageDigest = { readonly kind: 'pinned' | 'seen'; readonly digest: string };

/** An image as pods pull exactly this content of it: its tag then says nothing but what it is called. One with a digest stays. */
export const withDigest = (image: string, digest: string): string =>
  image.includes('@') ? image : `${image}@${digest}`;

/** An image by its name and tag alone. */
export const withoutDigest = (image: string): string => image.split('@')[0] ?? image;

/**
 * The digest by which nodes can pull again what a pod runs, from what its node calls that (`imageID`); undefined where there
 * is none. An image that was loaded into a node has an id and no digest of a registry, and a node that has the same content
 * from two repositories may name the other one.
 */
export function digestSeen(image: string, imageId: string | undefined): string | undefined {
  const wanted = parseImageRef(image);
  // Some runtimes put their own name before it (`docker-pullable://`).
  const had = parseImageRef((imageId ?? '').replace(/^[a-z-]+:\/\//, ''));
  const isSame = wanted?.registry === had?.registry && wanted?.repository === had?.repository;
  return wanted?.digest === undefined && isSame ? had?.digest : undefined;
}

/** The annotation that keeps a digest which was seen: with the signature of whoever saw it. */
export const writeSeen = (digest: string, signature: string): string => `${digest} ${signature}`;

/** Reads that; undefined for other text, as anybody can write an annotation. */
export function readSeen(text: string): { readonly digest: string; readonly signature: string } | undefined {
  const [digest = '', signature = '', ...more] = text.split(' ');
  return isDigest(digest) && more.length === 0 ? { digest, signature } : undefined;
}
