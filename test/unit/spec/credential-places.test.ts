import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { looksLikeConnectionUri, looksLikeCredential, looksLikeKey } from '../../../src/model/secrets/credentials.ts';
import { check, document, only } from './checking.ts';
import { publicSpecs } from './public-specs.ts';

const value = 'hunter2-in-the-clear';

/** What a server of that value would have in its label, in its plan and in the engine's config. */
const recorded = (written: string, place: 'env' | 'environment', key = 'U1'): string => {
  const line = `${place}: { ${key}: '${written}' }`;
  const text = document(place === 'env' ? { mcp: ['command: run', line] } : { backend: [line], mcp: ['command: run'] });
  return JSON.stringify(only(text, { environment: { V: value, A: value, B: value, H: 'db' } }));
};

describe('a variable is a secret by its place', () => {
  test.each([
    'postgres://u:${V}@h/db',
    'postgres://u:${A}${B}@h/db',
    'postgres://${H}:${V}@${H}/db',
    'https://${V}@example.org/',
    'u:${V}@tcp(h:3306)/db',
    'Server=h;Password=${V};Encrypt=true',
    'Server=h;Pwd="${V}"',
    'AccountName=a;AccountKey=${V}',
    'https://h/x?api_key=${V}&a=b',
    'https://h/x?sig=${V}',
    'Bearer ${V}',
    'Basic ${V}',
    'Authorization: Bearer ${V}',
    'X-Api-Key: ${V}',
    '{"password":"${V}"}',
    '--token=${V}',
  ])('%s', (written) => {
    expect(recorded(written, 'env')).not.toContain(value);
    expect(recorded(written, 'environment')).not.toContain(value);
  });

  test.each([
    'AUTHORIZATION',
    'AUTH_HEADER',
    'BEARER',
    'JWT',
    'COOKIE',
    'PGPASS',
    'PGPASSWORD',
    'BASIC_AUTH',
    'WEBHOOK_URL',
    'SLACK_WEBHOOK_URL',
  ])('%s by its name', (key) => {
    expect(recorded('${V}', 'environment', key)).not.toContain(value);
  });

  test('neighbours of these names are none', () => {
    expect(
      ['AUTH_TYPE', 'JWT_ALGORITHM', 'JWT_ISSUER', 'AUTHOR', 'COOKIECUTTER', 'BASE_URL'].filter(looksLikeCredential),
    ).toEqual([]);
  });
});

// What stands around a reference was read from the beginning for each: 16 KiB took 40 s, and this would have taken days.
test.each(['${V}', 'word${V}', 'x=${V};'])(
  'a megabyte of %s is read within seconds',
  (written) => {
    const text = written.repeat(Math.floor(900_000 / written.length));
    expect(check(document({ mcp: ['command: run', `env: { U1: '${text}' }`] }), { environment: { V: 'v' } })).toContain(
      'warning[variable-readable]',
    );
  },
  180_000,
);

describe('a variable in any other place', () => {
  const written = (line: string) => document({ mcp: ['command: run', line] });

  test('is told, with where its value will be readable', () => {
    const text = written("env: { GREETING: '${V}' }");
    expect(check(text, { environment: { V: value } })).toMatchInlineSnapshot(
      `"6:20 warning[variable-readable] mcp_server.env.GREETING: the value of V will be readable: in the plan and in the record of the server (hint: write \${secret:v} if it is a secret, \${plain:V} if it may be read)"`,
    );
    expect(check(text, { environment: { V: value }, strict: true })).toContain('error[variable-readable]');
  });

  test('is told under a harmless name as well when what it holds now has the shape of a key', () => {
    const environment = { ES_URL: `https://reader:${value}@es:9200` };
    expect(check(written("env: { ES_URL: '${ES_URL}' }"), { environment })).toContain('warning[variable-readable]');
    expect(check(written("env: { ES_URL: '${ES_URL}' }"), { environment })).not.toContain(value);
    expect(check(written("env: { ES_URL: '${plain:ES_URL}' }"), { environment })).toBe('');
  });

  test('is not told when its name is harmless, or ${plain:…} says that it may be read', () => {
    const environment = { V: value, H: 'h', LOG_LEVEL: 'debug' };
    expect(check(written("env: { DB_HOST: '${H}', L: '${LOG_LEVEL}', A: '${plain:V}' }"), { environment })).toBe('');
    expect(JSON.stringify(only(written("env: { A: '${plain:V}' }"), { environment }))).toContain(value);
  });
});

/** Letters of an alphabet that look drawn and are always the same. */
const letters = (alphabet: string, length: number): string => {
  const drawn = [1, 2, 3].flatMap((round) => [...createHash('sha512').update(`${alphabet}${round}`).digest()]);
  return drawn
    .slice(0, length)
    .map((byte) => alphabet[byte % alphabet.length])
    .join('');
};
const lower = 'abcdefghijklmnopqrstuvwxyz';
const hex = (length: number): string => letters('7c1e9a04b6d82f35', length);
const mixed = (length: number): string => letters(`${lower}${lower.toUpperCase()}0123456789`, length);
const upper = (length: number): string => letters(`${lower.toUpperCase()}0123456789`, length);

/** Keys of the shapes that issuers document; put together here, so that no scanner takes them for real ones. */
const plantedKeys: readonly string[] = [
  `sk-ant-${'api03'}-${mixed(40)}`,
  `sk-proj-${mixed(48)}`,
  `xai-${mixed(80)}`,
  `gsk_${mixed(52)}`,
  `hf_${mixed(34)}`,
  `BSA${mixed(28)}`,
  `tvly-dev-${mixed(32)}`,
  `fc-${hex(32)}`,
  `pcsk_${mixed(50)}`,
  `ghp_${mixed(36)}`,
  `github_pat_${mixed(40)}`,
  `glpat-${mixed(20)}`,
  `dckr_pat_${mixed(27)}`,
  `squ_${hex(40)}`,
  `AKIA${upper(16)}`,
  `${mixed(18)}/${mixed(40).slice(19)}`,
  `AIza${mixed(35)}`,
  `GOCSPX-${mixed(28)}`,
  `hvs.${mixed(24)}`,
  `dapi${hex(32)}`,
  `sbp_${hex(40)}`,
  `dt0c01.${upper(24)}.${upper(64)}`,
  `glsa_${mixed(32)}_${hex(8)}`,
  `HRKU-${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`,
  `xoxb-${'123456789012'}-${mixed(24)}`,
  `SG.${mixed(22)}.${mixed(43)}`,
  `${'1234567890'}:AA${mixed(33)}`,
  `ntn_${mixed(46)}`,
  `lin_api_${mixed(40)}`,
  `pat${mixed(14)}.${hex(64)}`,
  `ATATT3xFfGF0${mixed(60)}`,
  `sk_live_${mixed(24)}`,
  `shpat_${hex(32)}`,
  `0x${hex(64)}`,
  [`eyJ${mixed(17)}`, `eyJ${mixed(40)}`, mixed(43)].join('.'),
  '-----BEGIN RSA PRIVATE KEY-----',
  mixed(40),
  `00${mixed(40)}`,
  // Texts with a credential in them.
  'postgresql://reader:quux90211@db.internal:5432/shop',
  'Server=db;User Id=reader;Password=quux90211;Encrypt=true',
  'https://mcp.acme.example/mcp?api_key=quux90211',
  '--api-key=quux90211',
  'Authorization: quux90211',
];

describe('a literal with the shape of a key', () => {
  test.each([
    'fetch(u, { token: process.env.API_TOKEN })',
    'curl -H "X-Api-Key: $API_KEY_OF_MINE"',
    'api_key = API_KEY_NAME',
  ])('is none that says where a value comes from: %s', (text) => expect(looksLikeKey(text)).toBe(false));

  test('is found, and ordinary values of servers are not', () => {
    const missed = plantedKeys.filter((one) => !looksLikeKey(one));
    const ordinary = publicSpecs.flatMap(({ settings, texts = [] }) => [...Object.values(settings), ...texts]);
    const falseAlarms = ordinary.filter(looksLikeKey);
    // docs/security.md has these figures.
    expect({ planted: plantedKeys.length, missed, ordinary: ordinary.length, falseAlarms }).toEqual({
      planted: 43,
      missed: [],
      ordinary: 134,
      falseAlarms: [],
    });
  });

  test('is found wherever the engine or a process is given it, and is not shown', () => {
    const places = (text: string) => [
      document({ mcp: ['command: run', `env: { A: '${text}' }`] }),
      document({ mcp: ['command: run', `args: ['--x', '${text}']`] }),
      document({ backend: [`environment: { A: '${text}' }`] }),
      document({ backend: ['custom:', '  labels:', `    team.example/note: '${text}'`] }),
    ];
    for (const key of plantedKeys) {
      for (const text of places(key)) {
        expect(check(text)).toContain('warning[credential-literal]');
        expect(check(text, { strict: true })).toContain('error[credential-literal]');
        expect(check(text)).not.toContain(key);
      }
    }
  });
});

describe('the variables of public specs', () => {
  const inEnv = (name: string, text: string) => document({ mcp: ['command: run', `env: { ${name}: '${text}' }`] });
  const reference = (name: string) => inEnv(name, `\${${name}}`);

  test('are told apart: credentials, settings, and those of which a notice asks', () => {
    const credentials = new Set(publicSpecs.flatMap((spec) => spec.credentials));
    const settings = new Set(publicSpecs.flatMap((spec) => Object.keys(spec.settings)));
    const readable: string[] = [];
    const noticed: string[] = [];
    const kept: string[] = [];
    for (const name of [...credentials, ...settings]) {
      const environment = { [name]: value };
      if (check(reference(name), { environment }).includes('variable-readable')) noticed.push(name);
      else if (JSON.stringify(only(reference(name), { environment })).includes(value)) readable.push(name);
      else kept.push(name);
    }
    // docs/security.md has these figures.
    expect({
      credentials: credentials.size,
      settings: settings.size,
      readableCredentials: readable.filter((name) => credentials.has(name)),
      noticedCredentials: noticed.filter((name) => credentials.has(name)),
      noticedSettings: noticed.filter((name) => settings.has(name)),
      keptSettings: kept.filter((name) => settings.has(name)),
    }).toEqual({
      credentials: 43,
      settings: 107,
      readableCredentials: [],
      noticedCredentials: ['TRADOVATE_SEC'],
      noticedSettings: [
        'OKTA_CLIENT_ORGURL',
        'ALPACA_PAPER_TRADE',
        'TRADOVATE_CID',
        'ONELY_BUDGET_PER_CALL',
        'ONELY_BUDGET_DAILY',
        'ONELY_SOLANA_DRY_RUN',
        'POP_MAX_PER_TX',
        'SDC_MAX_CONTEXT_TOKENS',
        'DB_MCP_CONFIG',
      ],
      // To take these for secrets hides what need not be hidden, and costs nothing else.
      keptSettings: ['GOOGLE_APPLICATION_CREDENTIALS', 'DISABLE_AUTH'],
    });
  });

  test('with their values as literals, give no false alarm; credentials give one each', () => {
    const found = (name: string, text: string) => check(inEnv(name, text)).includes('credential-literal');
    const falseAlarms = publicSpecs.flatMap(({ settings }) =>
      Object.entries(settings).filter(([name, text]) => found(name, text)),
    );
    const literal = (name: string) =>
      looksLikeConnectionUri(name) ? 'postgres://reader:quux90211@db/shop' : 'quux90211';
    const missed = publicSpecs.flatMap((spec) => spec.credentials).filter((name) => !found(name, literal(name)));
    expect({ falseAlarms, missed }).toEqual({ falseAlarms: [], missed: ['TRADOVATE_SEC'] });
  });
});
