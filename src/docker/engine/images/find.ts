import { asImageId, type ImageId } from '../../../model/ids.ts';
import { label } from '../../model/labels.ts';
import type { ImageFacts } from '../../model/shape.ts';
import type { Client } from '../connection/connection.ts';
import { readArgv, readEnv } from '../containers/docker-to-shape.ts';
import { type InspectedImage, imageNamed } from '../containers/inspected.ts';
import { type CredentialSource, dockerCredentials } from './credentials.ts';
import { probeShell } from './shell-probe.ts';

/** What work on images needs beside a client: registry credentials, and what was found out already. */
type ImageMemory = {
  readonly credentials: CredentialSource;
  /** Whether an image has a shell, by its id: from its label, a container's, or one look, as content never changes. */
  readonly shells: Map<ImageId, Promise<boolean>>;
  /** What registries answered last for a reference, and until when that is taken for it, on the monotonic clock. */
  readonly digests: Map<string, { readonly said: RegistrySaid; readonly until: number }>;
};

/** The digest that a reference means at its registry, or why nobody knows. */
export type RegistrySaid = { readonly digest: string } | { readonly why: string };

export type ImageClient = Client & ImageMemory;

/** @param environment where Docker's own configuration is found (`DOCKER_CONFIG`, `HOME`, and `PATH` for helpers) */
export const imageMemory = (environment: Readonly<Record<string, string | undefined>>): ImageMemory => ({
  credentials: dockerCredentials(environment),
  shells: new Map(),
  digests: new Map(),
});

/** What the engine has under a name or id, or null. `mayLook` false: nothing is made to look for a shell. */
export async function findImage(client: ImageClient, ref: string, mayLook = true): Promise<ImageFacts | null> {
  const image = await imageNamed(client, ref);
  return image === null ? null : imageFacts(client, ref, image, mayLook);
}

/** What an image that was inspected means under `ref`. */
export async function imageFacts(
  client: ImageClient,
  ref: string,
  image: InspectedImage,
  mayLook: boolean,
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
    hasShell: await hasShell(client, id, labels, mayLook),
  };
}

/** Remembers what a label says of an image's shell; null for a label that says nothing. */
export function learnShell({ shells }: ImageClient, id: ImageId, said: string | undefined): boolean | null {
  if (said !== 'true' && said !== 'false') return null;
  shells.set(id, Promise.resolve(said === 'true'));
  return said === 'true';
}

async function hasShell(
  client: ImageClient,
  id: ImageId,
  labels: Readonly<Record<string, string>>,
  mayLook: boolean,
): Promise<boolean | null> {
  const { shells } = client;
  const known = learnShell(client, id, labels[label.hasShell]) ?? shells.get(id);
  if (known !== undefined) return known;
  if (!mayLook) return null;
  const answer = probeShell(client, id);
  shells.set(id, answer);
  // A failed look says nothing about the image: the next caller looks again.
  answer.catch(() => shells.delete(id));
  return answer;
}
