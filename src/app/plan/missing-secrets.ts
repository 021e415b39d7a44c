import type { SecretRef, Source } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import { secretVariable, writtenRef } from '../../model/secrets/secret-names.ts';
import type { UnfoundSecret } from '../../secrets/provider.ts';

/** A secret that a server needs and nobody has. */
export type MissingSecret = UnfoundSecret & {
  readonly server: string;
  /** Where the server is declared; absent for one that is known from its container alone. */
  readonly source?: Pick<Source, 'file' | 'line'>;
};

/** `notes (specs/a.yaml:3)`. */
const shownServer = ({ server, source }: MissingSecret): string =>
  source === undefined ? server : `${server} (${source.file === '-' ? '<stdin>' : source.file}:${source.line})`;

/** The variable that a secret can be set in. */
const variableOf = (ref: SecretRef): string => (ref.from === 'provider' ? secretVariable(ref.name) : ref.name);

/** How to set one: only `${secret:…}` is looked up in the store. */
const howToSet = (ref: SecretRef): string =>
  ref.from === 'provider'
    ? `\`looms config set-key ${ref.name}\` stores it here, or set the environment variable ${variableOf(ref)}`
    : `set the environment variable ${ref.name}`;

/** Who was asked for it; for a variable of looms itself the message has said all. */
const askedFor = ({ ref, tried }: UnfoundSecret): readonly string[] =>
  ref.from === 'provider' && tried.length > 0 ? [`looked for in ${tried.join(', ')}`] : [];

/** One error for all secrets that are missing, so that they can be set in one go (exit 77). */
export function missingSecrets(missing: readonly MissingSecret[]): LoomsError {
  const [first, ...rest] = missing;
  if (first !== undefined && rest.length === 0) {
    const message = `secret ${writtenRef(first.ref)} of server ${shownServer(first)} is not set`;
    return new LoomsError('secret-missing', message, { detail: askedFor(first), hint: howToSet(first.ref) });
  }
  const stored = [...new Set(missing.flatMap(({ ref }) => (ref.from === 'provider' ? [ref.name] : [])))];
  const variables = [...new Set(missing.map(({ ref }) => variableOf(ref)))];
  return new LoomsError('secret-missing', `${missing.length} secrets are not set`, {
    detail: missing.map((one) => [`${shownServer(one)}: ${writtenRef(one.ref)}`, ...askedFor(one)].join(', ')),
    hint: [
      ...(stored.length === 0 ? [] : [`${stored.map((name) => `\`looms config set-key ${name}\``).join(', ')}`]),
      `${stored.length === 0 ? '' : 'or '}set the environment variables ${variables.join(', ')}`,
    ].join(', '),
  });
}
