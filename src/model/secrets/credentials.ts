/** Whether a name says credential: PASSWORD, TOKEN, API_KEY and kin as whole words, so that TOKENIZER is none. */
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
  if (words.at(-2) === 'SEED' && last === 'PHRASE') return true;
  if (last === 'AUTH' || (words.at(-2) === 'AUTH' && last === 'HEADER')) return true;
  return words.some((word) =>
    /^(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|SECRET|SECRETS|CREDENTIAL|CREDENTIALS|APIKEY|PGPASS|PGPASSWORD|AUTHORIZATION|BEARER|JWT|COOKIE|COOKIES|MNEMONIC)$/.test(
      word,
    ),
  );
}

/** Whether a literal is a URI with a password in it (`postgres://user:pw@host`): a credential under any name. */
export const hasPasswordInUri = (value: string): boolean => /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:[^\s/@]+@/i.test(value);

/** Whether a name usually holds a connection URI, which holds a password: DATABASE_URI, POSTGRES_URL, DSN. */
export const looksLikeConnectionUri = (name: string): boolean =>
  /(?:^|_)(?:DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MONGO|MONGODB|REDIS|AMQP|TERADATA|TD|CONNECTION)_(?:URI|URL|DSN)$|(?:^|_)DSN$|CONNECTION_?STRING$/i.test(
    name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2'),
  );

/** What stands around a reference in its value, other references written as a plain letter. */
export type Surroundings = { readonly before: string; readonly after: string };

/** Characters before and behind a reference that can tell what it is: a value may have very many of them. */
export const surroundingsReach = 256;

/**
 * Whether the place of a reference in a value is one of a credential: the password (or the lone token) before the `@`
 * of a URI or a DSN, what follows a key that names a credential (`Password=…;`, `?api_key=…`, `X-Api-Key: …`), or what
 * an authentication scheme is followed by (`Bearer …`). Looks no further than `surroundingsReach`.
 */
export function standsAsCredential(around: Surroundings): boolean {
  const before = around.before.slice(-surroundingsReach);
  const after = around.after.slice(0, surroundingsReach);
  const beforeAt = /^[^\s/?#@]*@/.test(after);
  if (beforeAt && /(?:^|\/\/|\s)[^\s/@:]*:[^\s/@]*$/.test(before)) return true;
  if (beforeAt && /:\/\/[^\s/@:]*$/.test(before) && /^[^\s/?#@:]*@/.test(after)) return true;
  if (/(?:^|[\s"':=])(?:Bearer|Basic|Token|ApiKey|Digest|Negotiate)\s+[^\s,;]*$/i.test(before)) return true;
  const key = /(?<![\w.-])-*([A-Za-z][\w.-]*)["']?\s*[=:]\s*["']?[^;&\s"'=:]*$/.exec(before)?.[1];
  return key !== undefined && (looksLikeCredential(key) || /^(?:key|sig|signature|code|hmac)$/i.test(key));
}

/** Names whose values are settings, not credentials: judged by their last word. */
const harmlessWords = new Set(
  [
    'HOST HOSTS HOSTNAME PORT URL URI ENDPOINT ADDRESS DOMAIN ORIGIN ORIGINS BASE NETWORK PROVIDER TRANSPORT',
    'USER USERNAME LOGIN EMAIL ID IDS UID GID ORG TEAM TENANT WORKSPACE PROJECT PROFILE GROUP GROUPS NAME NAMESPACE',
    'REGION ZONE TZ LANG LANGUAGE LOCALE ENV ENVIRONMENT STAGE VERSION TAG BRANCH MODEL ENGINE',
    'DATABASE DB SCHEMA BUCKET TABLE INDEX PATH FILE KEYFILE CERTFILE CERTS DIR DIRECTORY DIRECTORIES HOME FORMAT OUTPUT',
    'LEVEL LOG DEBUG VERBOSE MODE TYPE ENABLED DISABLED ONLY SSL TLS SECURE VERIFY REQS',
    'TIMEOUT COUNT LIMIT SIZE TTL RETRIES ATTEMPTS DELAY INTERVAL FACTOR THRESHOLD CATEGORIES',
  ].flatMap((line) => line.split(' ')),
);

export const isHarmlessName = (name: string): boolean =>
  harmlessWords.has(
    name
      .toUpperCase()
      .split(/[^A-Z0-9]+/)
      .at(-1) ?? '',
  );

/** Keys by what their issuers begin them with, so that they are known again when they leak; then JWTs and PEM keys. */
const keyShapes = new RegExp(
  `(?<![A-Za-z0-9])(?:${[
    // Models and search.
    'sk-(?:ant-|proj-|or-|svcacct-)?[\\w-]{20,}|(?:npm|hf|pplx|gsk|r8)[_-][A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{40,}',
    'tvly-[\\w-]{20,}|fc-[a-f0-9]{32}|BSA[\\w-]{24,}|pcsk_\\w{30,}|apify_api_\\w{20,}|sk_[a-f0-9]{40,}',
    // Code and its registries.
    'gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\\w{30,}|gl(?:pat|dt|rt|ptt)-[\\w-]{20,}|pypi-[\\w-]{30,}|dckr_pat_[\\w-]{20,}',
    'sq[pua]_[a-f0-9]{40}|sntry[su]_[\\w+/=-]{30,}|PMAK-[a-f0-9-]{30,}',
    // Clouds.
    'A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\\w-]{35}|GOCSPX-[\\w-]{28}|ya29\\.[\\w-]{30,}|do[opr]_v1_[a-f0-9]{40,}|HRKU-[\\w-]{30,}',
    'hv[sb]\\.[\\w-]{20,}|dapi[a-f0-9]{32}|sb(?:p|_secret)_\\w{20,}|napi_\\w{30,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}',
    'dt0[a-z]\\d\\d\\.[A-Z0-9]{20,40}\\.[A-Z0-9]{40,}|gl(?:sa|c)_[\\w=+/]{30,}',
    // Work, messages, money.
    'xox[abcdeprs]-[\\w-]{10,}|xapp-[\\w-]{10,}|SG\\.[\\w-]{16,40}\\.[\\w-]{16,}|\\d{8,10}:AA[\\w-]{33}|key-[a-f0-9]{32}',
    'SK[a-f0-9]{32}|re_\\w{20,}|(?:ntn|secret)_[A-Za-z0-9]{40,}|lin_api_[A-Za-z0-9]{30,}|fig[du]_[\\w-]{30,}',
    'pat[A-Za-z0-9]{14}\\.[a-f0-9]{64}|ATATT3[\\w=-]{30,}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{20,}',
    'shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|0x[a-fA-F0-9]{64}(?![a-fA-F0-9])',
    'eyJ[\\w-]{8,500}\\.eyJ[\\w-]{8,}',
  ].join('|')})|-----BEGIN [A-Z ]*PRIVATE KEY-----`,
);

/** The same, for all of them in a text; a PEM key with what is in it. */
export const keyShapesIn = new RegExp(
  `-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]{0,20000}?(?:-----END [A-Z ]*PRIVATE KEY-----|$)|${keyShapes.source}`,
  'g',
);

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

/** Texts that are no credential under any name: switches, and files that hold one (`/keys/account.json`, /run/secrets). */
export const isNoCredential = (value: string): boolean =>
  /^(?:true|false|yes|no|on|off|none|0|1)$/i.test(value) ||
  /^(?:~|\.{1,2})?\/(?:run\/secrets\/[\w.-]+|[\w. /-]+\.(?:json|ya?ml|toml|ini|cfg|conf|env|txt|pem|key|crt|p8|p12|pfx|jks))$/.test(
    value,
  );

/** A text that says where a value comes from, as scripts and templates do: `process.env.TOKEN`, `$TOKEN`, `readToken()`. */
const isReference = (text: string): boolean =>
  /^(?:[$%]|(?:process\.env|import\.meta\.env|os\.environ|env)\b|[A-Z][A-Z0-9]*_[A-Z0-9_]+$|[\w.]+\()/.test(text);

/** Whether a text has a value behind a key that names a credential: `Password=…;`, `?api_key=…`, `--token=…`. */
function hasKeyedCredential(value: string): boolean {
  for (const [, key = '', text = ''] of value.matchAll(
    /(?<![\w.-])([\w.-]+)["']?\s*[=:]\s*["']?(?=([^;&\s"',]{8,200}))/g,
  )) {
    if (looksLikeCredential(key) && !isNoCredential(text) && !isReference(text) && !/[<>{}]/.test(text)) return true;
  }
  return false;
}

/**
 * Whether a literal has the shape of a key, or of a text with one in it, whatever it is called. Digests, UUIDs and
 * paths are none: a random word has upper and lower case and digits, and neither `/` nor `.` in it, but for the 40
 * letters of AWS. Measured in test/unit/spec/credential-places.test.ts.
 */
export const looksLikeKey = (value: string): boolean =>
  keyShapes.test(value) ||
  hasPasswordInUri(value) ||
  hasKeyedCredential(value) ||
  (/^[A-Za-z0-9+][A-Za-z0-9+/]{39}$/.test(value) && looksRandom(value)) ||
  value.split(/[^A-Za-z0-9+_=/.-]+/).some((word) => !/[/.]/.test(word) && looksRandom(word));
