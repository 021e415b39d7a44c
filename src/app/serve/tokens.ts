import { LoomsError } from '../../model/errors.ts';
import { writtenRef } from '../../model/secrets/secret-names.ts';
import { tokenDigest } from '../../model/secrets/token-digest.ts';
import type { NamedToken } from '../../model/serve-settings.ts';
import { endOfDay } from '../../model/times.ts';
import type { KnownToken } from '../../serve/access/bearers.ts';
import type { Ports } from '../ports.ts';

/**
 * The tokens that a gateway has for as long as it runs: of files, by the stores of secrets, and the one of its token file,
 * which may do everything. Throws `secret-missing` and what the stores throw, `usage` for one that could be guessed.
 */
export async function namedTokens(
  ports: Pick<Ports, 'secrets'>,
  named: readonly NamedToken[],
  own: { readonly name: string; readonly value: string } | undefined,
): Promise<readonly KnownToken[]> {
  const fromStores = named.map(async ({ name, secret, allow, expires }): Promise<KnownToken> => {
    const found = await ports.secrets(secret);
    if (!found.found) {
      throw new LoomsError('secret-missing', `the token ${name} needs ${writtenRef(secret)}, which is nowhere`, {
        hint: secret.from === 'provider' ? `looms config set-key ${secret.name}` : `set ${secret.name}`,
      });
    }
    if (found.value.length < 16) {
      throw new LoomsError('usage', `the token ${name} could be guessed: it has fewer than 16 characters`, {
        hint: 'for example: openssl rand -hex 32',
      });
    }
    const ends = expires === undefined ? {} : { endsAt: endOfDay(expires) };
    return { name, sha256: tokenDigest(found.value), scopes: allow, ...ends };
  });
  const fromTokenFile: readonly KnownToken[] =
    own === undefined ? [] : [{ name: own.name, sha256: tokenDigest(own.value), scopes: 'all' }];
  return [...(await Promise.all(fromStores)), ...fromTokenFile];
}

/** Tokens that were made for clients, as a gateway looks at them. */
export const madeTokens = (
  tokens: readonly { name: string; sha256: string; allow: readonly string[]; expires?: string }[],
): readonly KnownToken[] =>
  tokens.map(({ name, sha256: digest, allow, expires }) => ({
    name,
    sha256: digest,
    scopes: allow,
    ...(expires === undefined ? {} : { endsAt: Date.parse(expires) }),
  }));
