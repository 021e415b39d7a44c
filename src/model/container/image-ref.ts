import { defined } from '../values/defined.ts';

/** Whether a text is the digest of an image, as registries name content. */
export const isDigest = (text: string): boolean => /^sha256:[0-9a-f]{64}$/.test(text);

/** An image reference in its parts, with Docker's defaults filled in. */
type ImageRef = {
  /** `docker.io` when none is written. */
  readonly registry: string;
  /** `library/python` for `python`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
};

/**
 * Reads an image reference by the rules of Docker's `distribution/reference`; undefined when it is none. An id is none: it
 * says of no image where that is from.
 */
export function parseImageRef(text: string): ImageRef | undefined {
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) return undefined;
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag)) return undefined;
  if (/^[0-9a-f]{64}$/.test(name) || (name === 'sha256' && tag !== undefined && /^[0-9a-f]+$/.test(tag)))
    return undefined;
  const components = name.split('/');
  const first = components[0] ?? '';
  const hasRegistry = components.length > 1 && (/[.:]/.test(first) || first === 'localhost');
  if (hasRegistry && !/^[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?$/.test(first)) return undefined;
  const path = hasRegistry ? components.slice(1) : components;
  if (name.length > 255 || !path.every((part) => /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/.test(part))) return undefined;
  const registry = hasRegistry ? first : 'docker.io';
  const repository = registry === 'docker.io' && path.length === 1 ? `library/${path.join('/')}` : path.join('/');
  return { registry, repository, ...defined({ tag, digest }) };
}
