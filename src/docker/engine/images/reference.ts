/** An image reference in its parts. `name` is everything before tag and digest, as written. */
type ImageReference = {
  readonly registry: string;
  readonly name: string;
  /** A tag or a digest (`sha256:…`); `latest` when the reference has neither, as in Docker. */
  readonly version: string;
};

const dockerHub = 'docker.io';

/** Takes a reference apart by Docker's rules: the first part is a registry when it has a dot, a port, or is localhost. */
export function parseReference(ref: string): ImageReference {
  const [beforeDigest = ref, digest] = ref.split('@');
  const lastSlash = beforeDigest.lastIndexOf('/');
  const colon = beforeDigest.indexOf(':', lastSlash + 1);
  const name = colon < 0 ? beforeDigest : beforeDigest.slice(0, colon);
  const tag = colon < 0 ? undefined : beforeDigest.slice(colon + 1);
  const first = name.includes('/') ? (name.split('/')[0] ?? '') : '';
  const isRegistry = first.includes('.') || first.includes(':') || first === 'localhost';
  return { registry: isRegistry ? first : dockerHub, name, version: digest ?? tag ?? 'latest' };
}

/** A repository in one spelling: `debian` and `docker.io/library/debian` are the same. */
export function canonicalRepository(name: string): string {
  const { registry } = parseReference(name);
  const path = name.startsWith(`${registry}/`) ? name.slice(registry.length + 1) : name;
  return registry === dockerHub && !path.includes('/') ? `${registry}/library/${path}` : `${registry}/${path}`;
}

/** Whether two names with a tag mean one image: Podman adds `localhost/` or spells a name out, as it came. */
export function isSameName(a: string, b: string): boolean {
  const full = (name: string): string => {
    const short = name.replace(/^localhost\//, '');
    const { version } = parseReference(short);
    return `${canonicalRepository(short.slice(0, -version.length - 1))}:${version}`;
  };
  return full(a) === full(b);
}

/** The key under which Docker's configuration keeps a registry's credentials; the hub's is historical. */
export function credentialKey(registry: string): string {
  return registry === dockerHub || registry === 'index.docker.io' ? 'https://index.docker.io/v1/' : registry;
}
