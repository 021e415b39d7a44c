import { LoomsError } from '../../../model/errors.ts';
import { statusOf } from '../connection/errors.ts';
import type { Credential } from './credentials.ts';
import { parseReference } from './reference.ts';

/**
 * What a failed request to a registry means. By status where the engine gives one; Engine 20.10 answers 500 with only
 * the registry's words for a refused or missing password (tried), and a stream that has begun has no status.
 *
 * @param what the call, as it was named to `call`: `pull debian:bookworm-slim`
 */
export function registryError(ref: string, what: string, cause: LoomsError, credential: Credential): LoomsError {
  if (cause.code === 'interrupted' || cause.code === 'engine-unreachable' || cause.code === 'engine-timeout')
    return cause;
  const { registry } = parseReference(ref);
  const prefix = `cannot ${what}: `;
  const said = cause.message.startsWith(prefix) ? cause.message.slice(prefix.length) : cause.message;
  const status = statusOf(cause);
  if (status === 401 || status === 403 || (status !== 404 && refused.test(said))) {
    const note = credential.kind === 'none' ? credential.note : undefined;
    const hint = `log in first: docker login ${registry === 'docker.io' ? '' : registry}`.trimEnd();
    return new LoomsError('registry-unauthorized', `${registry} refused to hand out ${ref}: ${said}`, {
      hint: note === undefined ? hint : `${hint} (${note})`,
      cause,
    });
  }
  if (status === 404 || absent.test(said)) {
    return new LoomsError('image-not-found', `there is no image ${ref}: ${said}`, {
      hint: `check the name and the tag in base_image; \`docker pull ${ref}\` asks the same registry`,
      cause,
    });
  }
  return new LoomsError('image-pull-failed', `cannot pull ${ref}: ${said}`, {
    hint: `check that the engine reaches ${registry} (its proxy is configured on the engine), or bring the image with \`docker load\` and set pull_policy to never`,
    cause,
  });
}

const refused = /unauthorized|authentication required|no basic auth credentials|access denied|denied:/i;
const absent = /manifest unknown|manifest for .* not found|repository .*not found|name unknown|no matching manifest/i;
