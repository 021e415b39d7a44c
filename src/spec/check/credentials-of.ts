import type { EnvValue } from '../../model/desired.ts';
import { looksLikeCredential, standsAsCredential, surroundingsReach } from '../../model/secrets/credentials.ts';
import type { Prepared } from '../read/prepare.ts';
import { lastName } from '../read/words.ts';

/** The variables of a value that are credentials by their place; a host that is put into a connection URI is none. */
function inValue(key: string, value: EnvValue): readonly string[] {
  if (value.kind === 'literal') return [];
  const { parts } = value;
  const isWhole = parts.length === 1 || looksLikeCredential(key);
  const texts = parts.map((one) => (typeof one === 'string' ? one : 'x'));
  return parts.flatMap((part, index) => {
    if (typeof part === 'string' || part.from !== 'environment') return [];
    const before = texts.slice(Math.max(0, index - surroundingsReach), index).join('');
    const after = texts.slice(index + 1, index + 1 + surroundingsReach).join('');
    return isWhole || standsAsCredential({ before, after }) ? [part.name] : [];
  });
}

/** Names in `env_from`, which are handed over as secrets. */
function namesFrom(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const { mcp_server: top, docker_backend: backend } = value as Readonly<Record<string, unknown>>;
  const nested = (backend as { readonly mcp_server?: unknown } | undefined)?.mcp_server;
  return [top, nested].flatMap((server) => {
    const names = (server as { readonly env_from?: unknown } | undefined)?.env_from;
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  });
}

/**
 * The variables that are credentials by what a spec does with them: listed in `env_from`, the whole value of a key that
 * looks like one, or where a credential stands in a value (`standsAsCredential`). What is a credential in one place is none the less one in another.
 */
export const credentialsOf = ({ value, variables }: Pick<Prepared, 'value' | 'variables'>): ReadonlySet<string> =>
  new Set([...[...variables].flatMap(([path, one]) => inValue(lastName(path), one)), ...namesFrom(value)]);
