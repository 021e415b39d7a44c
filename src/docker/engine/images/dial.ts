import type Docker from 'dockerode';
import type { RequestTarget } from '../connection/connection.ts';
import { requestJson } from '../connection/request.ts';

/** What docker-modem knows of its engine; its types leave most of it out. */
type ModemSettings = RequestTarget['options'] & {
  readonly protocol?: string;
  readonly agent?: RequestTarget['agent'];
  readonly version?: string;
};

/**
 * One GET over dockerode's connection, for calls that dockerode itself cannot abort (an image's details, the engine's,
 * a registry's digest): an answer that is waited for would keep the process alive. It goes past docker-modem, which
 * renders its whole agent as text for its debug log at each call, whether or not anyone reads it: 80 ms of a `diff`.
 * Rejects with an error that carries the status.
 */
export function dialJson(
  docker: Docker,
  path: string,
  options: { readonly abortSignal: AbortSignal; readonly authconfig?: object | undefined },
): Promise<unknown> {
  const { abortSignal, authconfig } = options;
  const { protocol, agent, version = '', socketPath, host, port } = docker.modem as ModemSettings;
  const target: RequestTarget = {
    secure: protocol === 'https',
    agent,
    options: typeof socketPath === 'string' ? { socketPath } : { host: host ?? 'localhost', port: port ?? 80 },
  };
  return requestJson(target, {
    method: 'GET',
    path: `${version === '' ? '' : `/${version}`}${path}`,
    signal: abortSignal,
    ...(authconfig === undefined ? {} : { headers: { 'X-Registry-Auth': urlSafe(authconfig) } }),
  });
}

/** The engine wants the padding, which Node's `base64url` leaves out. */
const urlSafe = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
