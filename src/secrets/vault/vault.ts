import { secretNamePattern } from '../../model/secrets/secret-names.ts';
import type { VaultStore } from '../../model/secrets/secret-providers.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { type SecretProvider, sourceFailed } from '../provider.ts';
import { defaultTimeoutMs, errorsOf, type VaultAnswer, vaultRequests } from './request.ts';
import { type TokenPorts, vaultTokens } from './tokens.ts';

const placeholder = '{name}';

/**
 * Secrets of a KV store, version 2, of HashiCorp Vault, over its HTTP API (`secret/data/PATH`): the keys of one entry, or
 * with `{name}` in the path one entry each. Throws `secret-source-failed` for all but a secret that is not there.
 */
export function vaultProvider(
  store: VaultStore,
  ports: Omit<TokenPorts, 'ask'>,
  timeoutMs: number = defaultTimeoutMs,
): SecretProvider {
  const source = `vault ${store.address}`;
  const ask = vaultRequests(store, timeoutMs);
  const token = vaultTokens(source, store.auth, { ...ports, ask });
  const perSecret = store.path.includes(placeholder);

  /** What stands at a path of the mount; undefined where nothing does. */
  const read = async (path: string, right: 'read' | 'list'): Promise<VaultAnswer | undefined> => {
    const asked = { path: `${store.mount}/${right === 'read' ? 'data' : 'metadata'}/${path}`, token: await token() };
    const answer = await ask({ method: 'GET', ...asked, ...(right === 'list' ? { query: 'list=true' } : {}) });
    if (answer.status === 404) return undefined;
    if (answer.status === 200) return answer;
    const said = errorsOf(answer, [asked.token]) || `HTTP ${answer.status}`;
    throw sourceFailed(
      source,
      `does not let its token ${right} ${asked.path}: ${said}`,
      `its policy needs: path "${asked.path}" { capabilities = ["${right}"] }`,
    );
  };

  const entry = async (path: string): Promise<Readonly<Record<string, unknown>> | undefined> => {
    const answer = await read(path, 'read');
    const data = answer !== undefined && isRecord(answer.body) ? answer.body.data : undefined;
    if (isRecord(data) && isRecord(data.data)) return data.data;
    if (answer === undefined) return undefined;
    throw sourceFailed(source, `has no KV store of version 2 at ${store.mount}: its answer holds no data`);
  };

  const listed = /^(?:(.*)\/)?\{name\}$/.exec(store.path);
  const list = async (): Promise<readonly string[]> => {
    if (!perSecret) return Object.keys((await entry(store.path)) ?? {});
    const answer = await read(listed?.[1] ?? '', 'list');
    const data = answer !== undefined && isRecord(answer.body) ? answer.body.data : undefined;
    return isRecord(data) && Array.isArray(data.keys) ? data.keys.filter((key) => typeof key === 'string') : [];
  };

  return {
    name: source,
    async get(name) {
      // A name cannot lead to another entry.
      if (!secretNamePattern.test(name)) return { found: false };
      const path = store.path.replaceAll(placeholder, () => name);
      const field = perSecret ? store.field : name;
      const data = await entry(path);
      if (data === undefined) return { found: false, why: `nothing at ${store.mount}/${path}` };
      if (!Object.hasOwn(data, field)) return { found: false, why: `${store.mount}/${path} has no key ${field}` };
      const value = data[field];
      if (typeof value === 'string') return { found: true, value };
      if (typeof value === 'number' || typeof value === 'boolean') return { found: true, value: String(value) };
      throw sourceFailed(source, `has something else than a text at key ${field} of ${store.mount}/${path}`);
    },
    ...(perSecret && listed === null
      ? {}
      : { list: async () => (await list()).filter((name) => secretNamePattern.test(name)) }),
  };
}
