import type Docker from 'dockerode';
import type { ImageId } from '../../../model/ids.ts';
import { type CredentialSource, dockerCredentials } from './credentials.ts';

/** What work on images needs of an engine: the connection, registry credentials, and what was found out already. */
export type ImageAccess = {
  readonly docker: Docker;
  readonly credentials: CredentialSource;
  /** Per image id, whether it has a shell: an id's content never changes, so looking once is enough. */
  readonly shellVerdicts: Map<ImageId, Promise<boolean>>;
};

/** @param environment where Docker's own configuration is found (`DOCKER_CONFIG`, `HOME`, and `PATH` for helpers) */
export function imageAccess(docker: Docker, environment: Readonly<Record<string, string | undefined>>): ImageAccess {
  return { docker, credentials: dockerCredentials(environment), shellVerdicts: new Map() };
}
