import { LoomsError } from '../../../model/errors.ts';
import type { RegistryVerdict } from '../../../model/observed.ts';
import { duration } from '../../../model/times.ts';
import type { CallOptions } from '../../port.ts';
import { call } from '../connection/call.ts';
import { type StatusError, statusOf } from '../connection/errors.ts';
import type { ImageAccess } from './access.ts';
import type { RegistryAuth } from './credentials.ts';
import { dialJson } from './dial.ts';
import { inspectImage } from './find.ts';
import { canonicalRepository, parseReference } from './reference.ts';
import { registryError } from './registry-errors.ts';

/**
 * Asks the registry, through the engine, whether a reference means another image now than the local one; fetches
 * nothing. A registry that does not answer in time is a verdict, not an error.
 *
 * @throws LoomsError `interrupted`, and `engine-…` when the engine itself does not answer
 */
export async function registryDigest(
  access: ImageAccess,
  ref: string,
  { timeoutMs, ...options }: CallOptions & { readonly timeoutMs: number },
): Promise<RegistryVerdict> {
  const local = await inspectImage(access.docker, ref, options);
  const { registry, name } = parseReference(ref);
  const credential = await access.credentials(registry);
  const what = `ask the registry for ${ref}`;
  try {
    const digest = await call(what, { ...options, limitMs: timeoutMs }, (abortSignal) =>
      askDigest(access, ref, credential.kind === 'found' ? credential.auth : undefined, abortSignal),
    );
    // The registry says which image it has by digest; the containerd store and the classic one both keep that one.
    const repository = canonicalRepository(name);
    const isSame = (local?.RepoDigests ?? []).some((known) => {
      const at = known.lastIndexOf('@');
      return known.slice(at + 1) === digest && canonicalRepository(known.slice(0, at)) === repository;
    });
    return { verdict: isSame ? 'same' : 'newer' };
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    if (error.code === 'interrupted' || error.code === 'engine-unreachable') throw error;
    if (error.code === 'engine-timeout') {
      return { verdict: 'unknown', why: `${registry} did not answer within ${duration(timeoutMs)}` };
    }
    if (hasNoSuchCall(error)) return { verdict: 'unknown', why: 'this engine cannot ask registries (Podman)' };
    return { verdict: 'unknown', why: registryError(ref, what, error, credential).message };
  }
}

/** An engine says in JSON what it does not find; a path that it does not know is answered in plain text. */
const hasNoSuchCall = (error: LoomsError): boolean =>
  statusOf(error) === 404 && (error.cause as Partial<StatusError> | undefined)?.json === undefined;

async function askDigest(
  access: ImageAccess,
  ref: string,
  authconfig: RegistryAuth | undefined,
  abortSignal: AbortSignal,
): Promise<string> {
  const answer = await dialJson(access.docker, `/distribution/${ref}/json`, { abortSignal, authconfig });
  const digest = (answer as { Descriptor?: { digest?: unknown } }).Descriptor?.digest;
  if (typeof digest === 'string') return digest;
  throw new LoomsError('engine-rejected', `the engine named no digest for ${ref}`);
}
