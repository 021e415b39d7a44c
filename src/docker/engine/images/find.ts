import { asImageId, type ImageId } from '../../../model/ids.ts';
import { label } from '../../../model/labels.ts';
import type { ImageFacts } from '../../../model/shape.ts';
import type { CallOptions } from '../../port.ts';
import type { Connection } from '../connection/connection.ts';
import { readArgv, readEnv } from '../containers/docker-to-shape.ts';
import { type InspectedImage, inspectImage } from '../containers/inspected.ts';
import { type CredentialSource, dockerCredentials } from './credentials.ts';
import { probeShell } from './shell-probe.ts';

/** What work on images needs of an engine: the connection, registry credentials, and what was found out already. */
export type ImageAccess = {
  readonly connection: Connection;
  readonly credentials: CredentialSource;
  /**
   * Per image id, whether it has a shell, from its own label, from one of a container, or from a look into it: an id's
   * content never changes, so looking once is enough.
   */
  readonly shells: Map<ImageId, Promise<boolean>>;
};

/** @param environment where Docker's own configuration is found (`DOCKER_CONFIG`, `HOME`, and `PATH` for helpers) */
export const imageAccess = (
  connection: Connection,
  environment: Readonly<Record<string, string | undefined>>,
): ImageAccess => ({ connection, credentials: dockerCredentials(environment), shells: new Map() });

export type FindOptions = CallOptions & {
  /** false: an image that nobody has looked into stays unknown, since looking makes a container. Default true. */
  readonly mayLook?: boolean;
};

/**
 * What the engine has under a reference or an id; null when nothing. One call, and four more for an image that was
 * not built by looms and that nobody has looked into yet.
 *
 * @throws LoomsError `engine-…`
 */
export async function findImage(
  access: ImageAccess,
  ref: string,
  options: FindOptions = {},
): Promise<ImageFacts | null> {
  const image = await inspectImage(access.connection, ref, options);
  return image === null ? null : imageFacts(access, ref, image, options);
}

/** What an image that was inspected means under `ref`. */
export async function imageFacts(
  access: ImageAccess,
  ref: string,
  image: InspectedImage,
  options: FindOptions,
): Promise<ImageFacts> {
  const id = asImageId(image.Id);
  const { Config: config } = image;
  const labels = config?.Labels ?? {};
  return {
    id,
    ref,
    digests: image.RepoDigests ?? [],
    entrypoint: readArgv(config?.Entrypoint),
    command: readArgv(config?.Cmd),
    env: readEnv(config?.Env),
    workingDir: config?.WorkingDir ?? '',
    user: config?.User ?? '',
    labels,
    architecture: image.Architecture,
    hasShell: await hasShell(access, id, labels, options),
  };
}

/** Remembers what a label says of an image's shell; null for a label that says nothing. */
export function learnShell({ shells }: ImageAccess, id: ImageId, said: string | undefined): boolean | null {
  if (said !== 'true' && said !== 'false') return null;
  shells.set(id, Promise.resolve(said === 'true'));
  return said === 'true';
}

async function hasShell(
  access: ImageAccess,
  id: ImageId,
  labels: Readonly<Record<string, string>>,
  options: FindOptions,
): Promise<boolean | null> {
  const { connection, shells } = access;
  const known = learnShell(access, id, labels[label.hasShell]) ?? shells.get(id);
  if (known !== undefined) return known;
  if (options.mayLook === false) return null;
  const verdict = probeShell(connection, id, options);
  shells.set(id, verdict);
  // A failed look says nothing about the image: the next caller looks again.
  verdict.catch(() => shells.delete(id));
  return verdict;
}
