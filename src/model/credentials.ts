/**
 * Whether a variable's name says that its value is a credential: PASSWORD, TOKEN, SECRET, API_KEY, …_KEY and their kin
 * as whole words of the name, so that TOKENIZER or KEYBOARD are not.
 */
export function looksLikeCredential(name: string): boolean {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .split(/[^A-Z0-9]+/)
    .filter((word) => word !== '');
  const last = words.at(-1) ?? '';
  if (words.at(-2) === 'PUBLIC' && last === 'KEY') return false;
  // `…_PATH`, `…_FILE` and the like say where a credential is, not what it is.
  if (/^(?:PATH|FILE|DIR|NAME|TTL|LENGTH|LIMIT|COUNT|URL|ENDPOINT|EXPIRY|SIZE|ENABLED)$/.test(last)) return false;
  if (/^(?:KEY|KEYS|PAT)$/.test(last) && words.length > 1) return true;
  return words.some((word) =>
    /^(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|SECRET|SECRETS|CREDENTIAL|CREDENTIALS|APIKEY)$/.test(word),
  );
}

/** Whether a literal is a URI with a password in it (`postgres://user:pw@host`): a credential under any name. */
export const hasPasswordInUri = (value: string): boolean => /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:[^\s/@]+@/i.test(value);

/** Whether a name usually holds a connection URI, which holds a password: DATABASE_URI, POSTGRES_URL, DSN. */
export const looksLikeConnectionUri = (name: string): boolean =>
  /(?:^|_)(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MONGO|MONGODB|REDIS|AMQP|TERADATA|TD)_(?:URI|URL|DSN)$|(?:^|_)(?:DSN|CONNECTION_STRING)$/i.test(
    name,
  );
