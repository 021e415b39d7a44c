import type Docker from 'dockerode';
import { asImageId, type ImageId } from '../../../model/ids.ts';
import { label } from '../../../model/labels.ts';
import type { ImageFacts } from '../../../model/shape.ts';
import type { CallOptions } from '../../port.ts';
import { callOrNull } from '../connection/call.ts';
import { readArgv, readEnv } from '../containers/docker-to-shape.ts';
import type { ImageAccess } from './access.ts';
import { dialJson } from './dial.ts';
import { probeShell } from './shell-probe.ts';

export type FindOptions = CallOptions & {
  /** Image ids of which a container's label already says whether they have a shell: these are not looked into. */
  readonly known?: ReadonlyMap<ImageId, boolean>;
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
  const image = await inspectImage(access.docker, ref, options);
  return image === null ? null : factsOf(access, ref, image, options);
}

/** The engine's own view of an image, without looking into it. */
export async function inspectImage(
  docker: Docker,
  ref: string,
  options: CallOptions,
): Promise<Docker.ImageInspectInfo | null> {
  const found = await callOrNull(`look for image ${ref}`, options, (abortSignal) =>
    dialJson(docker, `/images/${ref}/json`, { abortSignal }),
  );
  return found as Docker.ImageInspectInfo | null;
}

async function factsOf(
  access: ImageAccess,
  ref: string,
  image: Docker.ImageInspectInfo,
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

async function hasShell(
  access: ImageAccess,
  id: ImageId,
  labels: Readonly<Record<string, string>>,
  options: FindOptions,
): Promise<boolean | null> {
  const labelled = labels[label.hasShell];
  if (labelled === 'true' || labelled === 'false') return labelled === 'true';
  const known = options.known?.get(id);
  if (known !== undefined) return known;

  const asked = access.shellVerdicts.get(id);
  if (asked !== undefined) return asked;
  if (options.mayLook === false) return null;
  const verdict = probeShell(access.docker, id, options);
  access.shellVerdicts.set(id, verdict);
  // A failed look says nothing about the image: the next caller looks again.
  verdict.catch(() => access.shellVerdicts.delete(id));
  return verdict;
}
