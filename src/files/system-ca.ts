import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** Where an administrator puts CA certificates of the house; what a distribution ships lies elsewhere. */
const addedFolders = [
  // Debian, Ubuntu, Alpine: update-ca-certificates(8)
  '/usr/local/share/ca-certificates',
  // Fedora, RHEL: update-ca-trust(8)
  '/etc/pki/ca-trust/source/anchors',
  // Arch
  '/etc/ca-certificates/trust-source/anchors',
  // SUSE
  '/etc/pki/trust/anchors',
];

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of one file; none where it cannot be read, is no regular file, or holds something else. */
async function certificatesIn(path: string): Promise<readonly string[]> {
  try {
    return (await stat(path)).isFile() ? ((await readFile(path, 'utf8')).match(certificate) ?? []) : [];
  } catch {
    return [];
  }
}

/**
 * CA certificates that this machine trusts besides the usual ones, as PEM: of the bundle that `NODE_EXTRA_CA_CERTS` or
 * `SSL_CERT_FILE` names, else those that its administrator added. Undefined where there are none. What cannot be read is
 * passed over, as Node and OpenSSL do: nobody named it to looms.
 */
export async function systemCa(
  environment: Readonly<Record<string, string | undefined>>,
  workingDirectory: string,
  folders: readonly string[] = addedFolders,
): Promise<Uint8Array | undefined> {
  const named = [environment.NODE_EXTRA_CA_CERTS, environment.SSL_CERT_FILE].find((path) => path);
  const fromEnvironment = named === undefined ? [] : await certificatesIn(resolve(workingDirectory, named));
  const added = async (folder: string): Promise<readonly string[]> => {
    const names = await readdir(folder, { recursive: true }).catch(() => []);
    return (await Promise.all(names.sort().map((name) => certificatesIn(join(folder, name))))).flat();
  };
  const found = fromEnvironment.length > 0 ? fromEnvironment : (await Promise.all(folders.map(added))).flat();
  return found.length === 0 ? undefined : new TextEncoder().encode(`${[...new Set(found)].join('\n')}\n`);
}
