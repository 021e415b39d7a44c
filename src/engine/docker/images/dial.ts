import type Docker from 'dockerode';

/**
 * One GET through dockerode's connection, for calls that dockerode itself cannot abort (an image's details, the
 * engine's, a registry's digest): an answer that is waited for would keep the process alive. Rejects with
 * docker-modem's error, which carries the status.
 */
export function dialJson(
  docker: Docker,
  path: string,
  options: { readonly abortSignal: AbortSignal; readonly authconfig?: object | undefined },
): Promise<unknown> {
  const { abortSignal, authconfig } = options;
  return new Promise((resolve, reject) => {
    const request = { path, method: 'GET', statusCodes: { 200: true }, abortSignal };
    docker.modem.dial(
      authconfig === undefined ? request : { ...request, authconfig: { ...authconfig } },
      (error: Error | null, answer: unknown) => (error === null ? resolve(answer) : reject(error)),
    );
  });
}
