import { LoomsError } from '../../model/errors.ts';
import { messageOf } from '../../model/failure.ts';
import { duration } from '../../model/times.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import { sourceFailed } from '../provider.ts';
import { createRedactor } from '../redact.ts';

/** How long Vault may take for one answer, ms; its own client waits for 60 s, and nobody types in between here. */
export const defaultTimeoutMs = 10_000;
/** The largest answer that is read, bytes; Vault's own limit for a request is 32 MiB, and of an entry 1 MiB by default. */
const mostBytes = 2 * 1024 * 1024;

export type VaultAnswer = { readonly status: number; readonly body: unknown };

export type VaultRequest = {
  readonly method: 'GET' | 'POST';
  /** Below `v1/`, its parts not yet encoded. */
  readonly path: string;
  readonly query?: 'list=true';
  readonly token?: string;
  readonly body?: Readonly<Record<string, string>>;
};

/** Asks one Vault. */
export type AskVault = (request: VaultRequest) => Promise<VaultAnswer>;

/**
 * Requests to one Vault, of which 200, 204, 400, 403 and 404 are answers that mean something to whoever asked. Throws
 * `secret-source-failed`, with no token and no value in it, when it cannot be reached, takes too long, is sealed, or
 * answers anything else.
 */
export function vaultRequests(
  { address, namespace }: { readonly address: string; readonly namespace?: string },
  timeoutMs: number,
): AskVault {
  const source = `vault ${address}`;
  return async ({ method, path, query, token, body }) => {
    const place = path.split('/').map(encodeURIComponent).join('/');
    const url = `${address}/v1/${place}${query === undefined ? '' : `?${query}`}`;
    const answer = await ask(source, url, timeoutMs, {
      method,
      // Where it leads is said by looms.yaml: a token is sent nowhere else.
      redirect: 'manual',
      headers: {
        // What keeps a browser from being made to ask it; agents and proxies of Vault insist on it.
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
        ...(token === undefined ? {} : { 'x-vault-token': token }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if ([200, 204, 400, 403, 404].includes(answer.status)) return answer;
    const said = errorsOf(answer, [token, ...Object.values(body ?? {})]);
    if (answer.status === 503) throw sourceFailed(source, `is not ready: ${said || 'it is sealed or starting'}`);
    const elsewhere = answer.status >= 300 && answer.status < 400;
    throw sourceFailed(
      source,
      elsewhere ? `sends elsewhere (HTTP ${answer.status})` : `failed: ${said || `HTTP ${answer.status}`}`,
      elsewhere ? 'name the address of the active node, or of a load balancer' : undefined,
    );
  };
}

async function ask(source: string, url: string, timeoutMs: number, init: RequestInit): Promise<VaultAnswer> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > mostBytes) throw sourceFailed(source, 'answered more than 2 MiB');
      chunks.push(chunk);
    }
    return { status: response.status, body: parsedJson(Buffer.concat(chunks).toString('utf8')) };
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') {
      throw sourceFailed(source, `gave no answer within ${duration(timeoutMs)}`);
    }
    if (error instanceof LoomsError) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw sourceFailed(source, `cannot be reached: ${messageOf(cause)}`, hintFor(cause), cause);
  }
}

const hintFor = (cause: unknown): string | undefined =>
  cause instanceof Error && 'code' in cause && /CERT|SIGNATURE|ISSUER/.test(String(cause.code))
    ? 'NODE_EXTRA_CA_CERTS names a file with the certificate of your own authority'
    : undefined;

/** What Vault says of a failure, on one line, without what was sent. */
export function errorsOf({ body }: VaultAnswer, sent: readonly (string | undefined)[]): string {
  const errors = isRecord(body) && Array.isArray(body.errors) ? body.errors : [];
  const text = errors.filter((one) => typeof one === 'string').join('; ');
  return createRedactor(sent.filter((one) => one !== undefined))(text.replaceAll(/\s+/g, ' ').trim());
}
