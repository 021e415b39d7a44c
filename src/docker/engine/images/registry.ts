import { LoomsError } from '../../../model/errors.ts';
import { duration } from '../../../model/times.ts';
import type { RegistryAnswer } from '../../model/observed.ts';
import type { RegistryHolding } from '../../port.ts';
import { ask, get } from '../connection/ask.ts';
import { type StatusError, statusOf } from '../connection/errors.ts';
import { imageNamed } from '../containers/inspected.ts';
import { authHeaders, type Credential } from './credentials.ts';
import type { ImageClient, RegistrySaid } from './find.ts';
import { canonicalRepository, parseReference } from './reference.ts';

type DistributionAnswer = { readonly Descriptor?: { readonly digest?: unknown } };

/** How long an answer of a registry is taken for its next one, ms; and that there is none. */
const keptMs = 300_000;
const silenceKeptMs = 60_000;

/**
 * Whether a reference means another image at the registry; silence is an answer. A program that looks again and again
 * asks for a reference every five minutes, and every minute where no answer came: a registry that hangs holds up few of
 * its looks. Throws `interrupted`, `engine-…`.
 */
export async function registryDigest(client: ImageClient, ref: string, timeoutMs: number): Promise<RegistryAnswer> {
  const local = await imageNamed(client, ref);
  const said = await registrySays(client, ref, timeoutMs);
  if ('why' in said) return { answer: 'unknown', why: said.why };
  const repository = canonicalRepository(parseReference(ref).name);
  // The registry says which image it has by digest; the containerd store and the classic one both keep that one.
  const isSame = (local?.RepoDigests ?? []).some((known) => {
    const at = known.lastIndexOf('@');
    return known.slice(at + 1) === said.digest && canonicalRepository(known.slice(0, at)) === repository;
  });
  return { answer: isSame ? 'same' : 'newer' };
}

async function registrySays(client: ImageClient, ref: string, timeoutMs: number): Promise<RegistrySaid> {
  const { digests } = client;
  const known = digests.get(ref);
  if (known !== undefined && performance.now() < known.until) return known.said;
  const said = await askRegistry(client, ref, timeoutMs);
  digests.set(ref, { said, until: performance.now() + ('why' in said ? silenceKeptMs : keptMs) });
  return said;
}

async function askRegistry(client: ImageClient, ref: string, timeoutMs: number): Promise<RegistrySaid> {
  const { registry } = parseReference(ref);
  const credential = await client.credentials(registry);
  const what = `ask the registry for ${ref}`;
  try {
    return { digest: await digestOf(client, ref, { credential, what, timeoutMs }) };
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    if (error.code === 'interrupted' || error.code === 'engine-unreachable') throw error;
    if (error.code === 'engine-timeout') return { why: `${registry} did not answer within ${duration(timeoutMs)}` };
    if (hasNoSuchCall(error)) return { why: 'this engine cannot ask registries (Podman)' };
    return { why: registryError(ref, what, error, credential).message };
  }
}

async function digestOf(
  client: ImageClient,
  ref: string,
  {
    credential,
    what,
    timeoutMs,
  }: { readonly credential: Credential; readonly what: string; readonly timeoutMs: number },
): Promise<string> {
  const request = { ...get(`/distribution/${ref}/json`), headers: authHeaders(credential) };
  const answer = await ask<DistributionAnswer | undefined>({ ...client, limitMs: timeoutMs }, what, request);
  const digest = answer?.Descriptor?.digest;
  if (typeof digest !== 'string') throw new LoomsError('engine-rejected', `the engine named no digest for ${ref}`);
  return digest;
}

/** How long a registry may take to say whether it has an image that would be pushed to it, ms. */
const lookMs = 30_000;

/**
 * What a registry has under a reference, asked anew; `unknown`: Podman cannot ask, and registries that hide what they do not
 * have refuse it. Throws `image-push-failed` where the engine does not reach it, `interrupted`, `engine-…`.
 */
export async function registryHolds(client: ImageClient, ref: string): Promise<RegistryHolding> {
  const { registry } = parseReference(ref);
  const credential = await client.credentials(registry);
  const what = `ask the registry for ${ref}`;
  try {
    return { holds: 'image', digest: await digestOf(client, ref, { credential, what, timeoutMs: lookMs }) };
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    if (hasNoSuchCall(error)) return { holds: 'unknown' };
    const meant = registryError(ref, what, error, credential, pushing);
    if (meant.code === 'image-not-found') return { holds: 'none' };
    if (meant.code === 'registry-unauthorized') return { holds: 'unknown' };
    throw meant;
  }
}

/** What all registries together may take for their digests, ms (docs/spec.md, pull_policy). */
const patienceMs = 15_000;

/** `registryDigest` of each reference, all at once. */
export async function registryDigests(
  client: ImageClient,
  refs: readonly string[],
): Promise<Readonly<Record<string, RegistryAnswer>>> {
  const unique = [...new Set(refs)].sort();
  const digest = async (ref: string) => [ref, await registryDigest(client, ref, patienceMs)] as const;
  return Object.fromEntries(await Promise.all(unique.map(digest)));
}

/** An engine says in JSON what it does not find; a path that it does not know is answered in plain text. */
const hasNoSuchCall = (error: LoomsError): boolean =>
  statusOf(error) === 404 && (error.cause as Partial<StatusError> | undefined)?.json === undefined;

/** What a request to a registry was for, in the words of its failures. */
export type Purpose = {
  readonly code: 'image-pull-failed' | 'image-push-failed';
  readonly refused: (registry: string, ref: string) => string;
  readonly failed: (ref: string) => string;
  readonly absentHint: (ref: string) => string;
  readonly hint: (registry: string) => string;
};

export const pulling: Purpose = {
  code: 'image-pull-failed',
  refused: (registry, ref) => `${registry} refused to hand out ${ref}`,
  failed: (ref) => `cannot pull ${ref}`,
  absentHint: (ref) => `check the name and the tag in base_image; \`docker pull ${ref}\` asks the same registry`,
  hint: (registry) =>
    `check that the engine reaches ${registry} (its proxy is configured on the engine), or bring the image with \`docker load\` and set pull_policy to never`,
};

export const pushing: Purpose = {
  code: 'image-push-failed',
  refused: (registry, ref) => `${registry} refused to take ${ref}`,
  failed: (ref) => `cannot push ${ref}`,
  absentHint: () => 'check engine.registry of looms.yaml: the registry knows no such folder',
  hint: (registry) =>
    `the Docker Engine here has to reach ${registry} by the name by which the nodes do: its proxy, and \`insecure-registries\` for plain HTTP, are configured on the engine`,
};

/**
 * What a failed request to a registry means. By status where the engine gives one; Engine 20.10 answers 500 with only
 * the registry's words for a refused or missing password (tried), and a stream that has begun has no status.
 *
 * @param what the call, as it was named to `call`: `pull debian:bookworm-slim`
 */
export function registryError(
  ref: string,
  what: string,
  cause: LoomsError,
  credential: Credential,
  purpose = pulling,
): LoomsError {
  if (cause.code === 'interrupted' || cause.code === 'engine-unreachable' || cause.code === 'engine-timeout')
    return cause;
  const { registry } = parseReference(ref);
  const prefix = `cannot ${what}: `;
  const said = cause.message.startsWith(prefix) ? cause.message.slice(prefix.length) : cause.message;
  const status = statusOf(cause);
  if (status === 401 || status === 403 || (status !== 404 && refused.test(said))) {
    const note = credential.kind === 'none' ? credential.note : undefined;
    const hint = `log in first: docker login ${registry === 'docker.io' ? '' : registry}`.trimEnd();
    return new LoomsError('registry-unauthorized', `${purpose.refused(registry, ref)}: ${said}`, {
      hint: note === undefined ? hint : `${hint} (${note})`,
      cause,
    });
  }
  if (status === 404 || absent.test(said)) {
    return new LoomsError('image-not-found', `there is no image ${ref}: ${said}`, {
      hint: purpose.absentHint(ref),
      cause,
    });
  }
  return new LoomsError(purpose.code, `${purpose.failed(ref)}: ${said}`, { hint: purpose.hint(registry), cause });
}

const refused = /unauthorized|authentication required|no basic auth credentials|access denied|denied:/i;
const absent = /manifest unknown|manifest for .* not found|repository .*not found|name unknown|no matching manifest/i;
