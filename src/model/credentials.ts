/**
 * Whether a variable's name says that its value is a credential: PASSWORD, TOKEN, API_KEY, AUTHORIZATION and their kin
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
  // Who knows the address of a webhook may post to it.
  if (words.at(-2) === 'WEBHOOK' && /^(?:URL|URI)$/.test(last)) return true;
  // `…_PATH`, `…_FILE` and the like say where a credential is, not what it is.
  if (
    /^(?:PATH|FILE|DIR|NAME|TTL|LENGTH|LIMIT|COUNT|URL|ENDPOINT|EXPIRY|SIZE|ENABLED|TYPE|MODE|ALGORITHM|ISSUER)$/.test(
      last,
    )
  )
    return false;
  if (/^(?:KEY|KEYS|PAT)$/.test(last) && words.length > 1) return true;
  if (last === 'AUTH' || (words.at(-2) === 'AUTH' && last === 'HEADER')) return true;
  return words.some((word) =>
    /^(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|SECRET|SECRETS|CREDENTIAL|CREDENTIALS|APIKEY|PGPASS|PGPASSWORD|AUTHORIZATION|BEARER|JWT|COOKIE|COOKIES)$/.test(
      word,
    ),
  );
}

/** Whether a literal is a URI with a password in it (`postgres://user:pw@host`): a credential under any name. */
export const hasPasswordInUri = (value: string): boolean => /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:[^\s/@]+@/i.test(value);

/** Whether a name usually holds a connection URI, which holds a password: DATABASE_URI, POSTGRES_URL, DSN. */
export const looksLikeConnectionUri = (name: string): boolean =>
  /(?:^|_)(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MONGO|MONGODB|REDIS|AMQP|TERADATA|TD)_(?:URI|URL|DSN)$|(?:^|_)(?:DSN|CONNECTION_STRING)$/i.test(
    name,
  );

/** What stands around a reference in its value, other references written as a plain letter. */
export type Surroundings = { readonly before: string; readonly after: string };

/**
 * Whether the place of a reference in a value is one of a credential: the password (or the lone token) before the `@`
 * of a URI or a DSN, what follows a key that names a credential (`Password=…;`, `?api_key=…`, `X-Api-Key: …`), or what
 * an authentication scheme is followed by (`Bearer …`).
 */
export function standsAsCredential({ before, after }: Surroundings): boolean {
  const beforeAt = /^[^\s/?#@]*@/.test(after);
  if (beforeAt && /(?:^|\/\/|\s)[^\s/@:]*:[^\s/@]*$/.test(before)) return true;
  if (beforeAt && /:\/\/[^\s/@:]*$/.test(before) && /^[^\s/?#@:]*@/.test(after)) return true;
  if (/(?:^|[\s"':=])(?:Bearer|Basic|Token|ApiKey|Digest|Negotiate)\s+[^\s,;]*$/i.test(before)) return true;
  const key = /([A-Za-z][\w.-]*)["']?\s*[=:]\s*["']?[^;&\s"'=:]*$/.exec(before)?.[1];
  return key !== undefined && (looksLikeCredential(key) || /^(?:key|sig|signature|code|hmac)$/i.test(key));
}

/** Names whose values are settings, not credentials: judged by their last word. */
const harmlessWords =
  /^(?:HOST|HOSTS|HOSTNAME|PORT|USER|USERNAME|LOGIN|EMAIL|REGION|ZONE|LEVEL|DEBUG|VERBOSE|NAME|TZ|LANG|LANGUAGE|LOCALE|ENV|ENVIRONMENT|STAGE|MODE|TYPE|TIMEOUT|VERSION|TAG|BRANCH|PROJECT|DATABASE|DB|SCHEMA|BUCKET|TABLE|INDEX|TENANT|ORG|TEAM|WORKSPACE|MODEL|DOMAIN|URL|URI|ENDPOINT|PATH|FILE|DIR|DIRECTORY|HOME|FORMAT|COUNT|LIMIT|SIZE|TTL|ENABLED|ID|UID|GID|ADDRESS)$/;

export const isHarmlessName = (name: string): boolean =>
  harmlessWords.test(
    name
      .toUpperCase()
      .split(/[^A-Z0-9]+/)
      .at(-1) ?? '',
  );

/** Keys by what their issuers begin them with, so that they are known again when they leak; then JWTs and PEM keys. */
const keyShapes =
  /(?<![A-Za-z0-9])(?:sk-(?:ant-|proj-|or-|svcacct-)?[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|gl(?:pat|dt|rt|ptt)-[\w-]{20,}|xox[abcdeprs]-[\w-]{10,}|xapp-[\w-]{10,}|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{35}|(?:npm|hf|pplx|gsk|r8)[_-][A-Za-z0-9]{30,}|pypi-[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{20,}|do[opr]_v1_[a-f0-9]{40,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|(?:ntn|secret)_[A-Za-z0-9]{40,}|lin_api_[A-Za-z0-9]{30,}|fig[du]_[\w-]{30,}|tvly-[\w-]{20,}|fc-[a-f0-9]{32}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})|-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Bits per character above which a mixed text of 32 characters and more is taken for random. */
const randomBits = 4.3;

function looksRandom(word: string): boolean {
  if (word.length < 32 || !/[a-z]/.test(word) || !/[A-Z]/.test(word) || !/[0-9].*[0-9]/.test(word)) return false;
  const counts = new Map<string, number>();
  for (const letter of word) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / word.length) * Math.log2(count / word.length);
  return bits >= randomBits;
}

/**
 * Whether a literal has the shape of a key, whatever it is called. Digests, UUIDs and paths are none: a random word has
 * upper and lower case and digits, and neither `/` nor `.` ends one.
 */
export const looksLikeKey = (value: string): boolean =>
  keyShapes.test(value) || value.split(/[^A-Za-z0-9+_=/.-]+/).some((word) => !/[/.]/.test(word) && looksRandom(word));
