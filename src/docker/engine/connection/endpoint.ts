import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assertNever, LoomsError } from '../../../model/errors.ts';
import { defined } from '../../../model/values/defined.ts';

/** PEM texts of a TLS connection; `verify` false accepts any server certificate (contexts may ask for that). */
export type TlsSettings = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
};

/** How an engine is reached. `origin` says for people where the choice came from, e.g. `DOCKER_HOST`. */
export type Endpoint = { readonly origin: string } & (
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: TlsSettings }
  | {
      readonly kind: 'ssh';
      readonly host: string;
      readonly user?: string;
      readonly port?: number;
      /** Socket on the far side; absent: the one that the remote `docker` uses itself. */
      readonly remoteSocket?: string;
    }
);

/** An endpoint as text, with where it came from: `unix:///var/run/docker.sock (default socket)`. */
export const describeEndpoint = (endpoint: Endpoint): string => `${endpointUrl(endpoint)} (${endpoint.origin})`;

/** The URL of an endpoint as `DOCKER_HOST` would have it. */
export function endpointUrl(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'socket':
      return endpoint.path.startsWith('//./pipe/') ? `npipe://${endpoint.path}` : `unix://${endpoint.path}`;
    case 'tcp':
      return `tcp://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`;
    case 'ssh': {
      const user = endpoint.user === undefined ? '' : `${endpoint.user}@`;
      const port = endpoint.port === undefined ? '' : `:${endpoint.port}`;
      return `ssh://${user}${endpoint.host}${port}${endpoint.remoteSocket ?? ''}`;
    }
    default:
      return assertNever(endpoint);
  }
}

/** Ports of the Engine API without and with TLS, as the Docker CLI assumes them. */
const plainPort = 2375;
const tlsPort = 2376;

function badHost(text: string, origin: string, why: string): LoomsError {
  return new LoomsError('usage', `${origin} is "${text}": ${why}`, {
    hint: 'use unix:///path/to.sock, tcp://host:port, ssh://user@host or npipe:////./pipe/name',
  });
}

/** Reads a host as `DOCKER_HOST` has it. `tls` is for TCP only; `https://` needs none. Throws `usage` for no host. */
export function parseHost(text: string, origin: string, tls?: TlsSettings): Endpoint {
  if (text.startsWith('unix://')) {
    const path = text.slice('unix://'.length);
    if (!path.startsWith('/')) throw badHost(text, origin, 'a socket needs an absolute path');
    return { kind: 'socket', path, origin };
  }
  if (text.startsWith('npipe://')) return { kind: 'socket', path: text.slice('npipe://'.length), origin };
  if (text.startsWith('/')) return { kind: 'socket', path: text, origin };
  const url = URL.parse(text.includes('://') ? text : `tcp://${text}`);
  if (url === null || url.hostname === '') throw badHost(text, origin, 'it is no URL with a host');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? undefined : Number(url.port);
  switch (url.protocol) {
    case 'ssh:': {
      // A leading dash would be read by ssh as an option (CVE-2017-1000117 and its kin).
      if (host.startsWith('-') || url.username.startsWith('-')) throw badHost(text, origin, 'a name starts with "-"');
      return {
        kind: 'ssh',
        host,
        origin,
        ...(url.username === '' ? {} : { user: decodeURIComponent(url.username) }),
        ...defined({ port }),
        ...(url.pathname === '' || url.pathname === '/' ? {} : { remoteSocket: url.pathname }),
      };
    }
    case 'tcp:':
    case 'http:':
      return {
        kind: 'tcp',
        host,
        port: port ?? (tls === undefined ? plainPort : tlsPort),
        origin,
        ...defined({ tls }),
      };
    case 'https:':
      return { kind: 'tcp', host, port: port ?? tlsPort, origin, tls: tls ?? { verify: true } };
    default:
      throw badHost(text, origin, `${url.protocol}// is not known`);
  }
}

/** A file's text; undefined when it is absent. Throws `file-not-found` for one that cannot be read. */
export async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LoomsError('file-not-found', `cannot read ${file}`, { cause: error });
  }
}

/** The PEM files of a folder that are there: a server may want no client's. Throws `file-not-found`. */
export async function readTls(directory: string, verify: boolean): Promise<TlsSettings> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readOptional(join(directory, name))),
  );
  return { verify, ...defined({ ca, cert, key }) };
}
