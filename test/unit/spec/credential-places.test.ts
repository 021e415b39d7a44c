import { describe, expect, test } from 'vitest';
import { looksLikeCredential, looksLikeKey } from '../../../src/model/credentials.ts';
import { check, document, only } from './checking.ts';

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

describe('a variable in any other place', () => {
  const written = (line: string) => document({ mcp: ['command: run', line] });

  test('is told, with where its value will be readable', () => {
    const text = written("env: { GREETING: '${V}' }");
    expect(check(text, { environment: { V: value } })).toMatchInlineSnapshot(
      `"6:20 warning[variable-readable] mcp_server.env.GREETING: the value of V will be readable: in the plan and in the label looms.spec (hint: write \${secret:v} if it is a secret, \${plain:V} if it may be read)"`,
    );
    expect(check(text, { environment: { V: value }, strict: true })).toContain('error[variable-readable]');
  });

  test('is not told when its name is harmless, or ${plain:…} says that it may be read', () => {
    const environment = { V: value, H: 'h', LOG_LEVEL: 'debug' };
    expect(check(written("env: { DB_HOST: '${H}', L: '${LOG_LEVEL}', A: '${plain:V}' }"), { environment })).toBe('');
    expect(JSON.stringify(only(written("env: { A: '${plain:V}' }"), { environment }))).toContain(value);
  });
});

describe('a literal with the shape of a key', () => {
  const jwt = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiIxMjM0NTY3ODkwIn0', 'c2lnbmF0dXJlLWhlcmU'].join('.');
  const shapes = [
    `sk-ant-${'api03'}-${'aB3'.repeat(10)}`,
    `ghp_${'aB3x'.repeat(9)}`,
    `glpat-${'aB3x'.repeat(5)}`,
    `xoxb-${'123456789012'}-abcdefABCDEF`,
    `AKIA${'IOSFODNN7EXAMPLE'}`,
    jwt,
    '-----BEGIN RSA PRIVATE KEY-----',
    'q7Zt0Lw9XhK2vB5nRcY8mJ4sDfG1pA6uEiTo3WyQ',
  ];
  // Values of the kinds that specs hold, made up for this test: not a measurement on public specs.
  const ordinary = [
    '@modelcontextprotocol/server-filesystem',
    '/data/projects/Reports2024/UserFiles/Archive01',
    'https://api.githubcopilot.com/mcp/',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '123e4567-e89b-12d3-a456-426614174000',
    'postgresql://localhost:5432/mydb',
    'repos,issues,pull_requests,code_security',
    'us-central1-docker.pkg.dev/project-1/Repo/Image2:v3',
    'mcp-server-time',
    '--local-timezone=Europe/Berlin',
    'claude-3-5-sonnet-20241022',
    'org.opencontainers.image.source',
    'true',
    '8080',
    'FASTMCP_LOG_LEVEL',
    'awslabs.aws-documentation-mcp-server@latest',
    '{"defaultViewport":{"width":1280,"height":720}}',
    'T01234567',
    'C0123456789,C9876543210',
    'https://example.atlassian.net/wiki/spaces/ABC1/pages/123456789/Title',
    '1BxiMVs0XRA5',
    'com.example.MyApplication.Configuration',
    'mongodb://localhost:27017/?replicaSet=rs0',
    'skip-long-name-of-a-server-that-is-ours',
  ];

  test('is found, and ordinary values of servers are not', () => {
    const missed = shapes.filter((one) => !looksLikeKey(one));
    const falseAlarms = ordinary.filter(looksLikeKey);
    console.log(
      `keys found ${shapes.length - missed.length} of ${shapes.length}, false alarms ${falseAlarms.length} of ${ordinary.length}`,
    );
    expect({ missed, falseAlarms }).toEqual({ missed: [], falseAlarms: [] });
  });

  test('in env, environment, args and labels', () => {
    const key = `ghp_${'aB3x'.repeat(9)}`;
    for (const text of [
      document({ mcp: ['command: run', `env: { A: '${key}' }`] }),
      document({ mcp: ['command: run', `args: ['--x', '${key}']`] }),
      document({ backend: [`environment: { A: '${key}' }`] }),
    ]) {
      expect(check(text)).toContain('warning[credential-literal]');
      expect(check(text)).not.toContain(key);
    }
  });
});
