import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder } from './looms.ts';

type Pair = { readonly cert: string; readonly key: string };

/** An authority of a test's own, and what it vouches for: a server at 127.0.0.1, and clients by their names. */
export function authority(): { readonly ca: string; readonly server: Pair; readonly client: (name: string) => Pair } {
  const folder = emptyFolder();
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const key = (name: string): readonly string[] => [
    ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
    ...['-nodes', '-keyout', at(`${name}.key`)],
  ];
  const pair = (name: string, extension: string): Pair => {
    writeFileSync(at(`${name}.ext`), extension);
    openssl('req', ...key(name), '-subj', `/CN=${name}`, '-out', at(`${name}.csr`));
    const by = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2'];
    const how = ['-in', at(`${name}.csr`), '-extfile', at(`${name}.ext`), '-out', at(`${name}.crt`)];
    openssl('x509', '-req', ...by, ...how);
    return { cert: readFileSync(at(`${name}.crt`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') };
  };
  openssl('req', '-x509', ...key('ca'), '-subj', '/CN=test', '-days', '2', '-out', at('ca.crt'));
  return {
    ca: readFileSync(at('ca.crt'), 'utf8'),
    server: pair('server', 'subjectAltName=IP:127.0.0.1,DNS:cluster.test'),
    client: (name) => pair(name, 'extendedKeyUsage=clientAuth'),
  };
}
