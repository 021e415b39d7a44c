import { describe, expect, test } from 'vitest';
import { unreachableHint } from '../../../src/app/talk/call-tool.ts';
import type { DesiredServer, NetworkMode } from '../../../src/model/desired.ts';
import { server } from '../../support/planner-world.ts';

const spec = (mode: NetworkMode, withSecret = true): DesiredServer => {
  const uri = { kind: 'secret', parts: [{ from: 'provider', name: 'db_uri' }] } as const;
  return server('db', { network: { mode }, mcp: { env: withSecret ? { DATABASE_URI: uri } : {} } }).spec;
};

describe('a server that says it could not reach a host', () => {
  test.each([
    ['[SQLState 08000] Hostname lookup failed for vantage.example.com', 'vantage.example.com'],
    ['Error: getaddrinfo ENOTFOUND db.example.com', 'db.example.com'],
    ['[SQLState 08000] Hostname lookup failed for db', 'db'],
    ['could not translate host name "db.example.com" to address', 'db.example.com'],
    ['dial tcp: lookup db.example.com on 127.0.0.11:53: no such host', 'db.example.com'],
    ['connect ECONNREFUSED 10.0.0.1:5432', 'the host'],
    ['[Errno -2] Name or service not known', 'the host'],
  ])('%s: gets the host, the network and the secret to set', (said, host) => {
    const hint = unreachableHint(said, spec('isolated'));
    expect(hint).toContain(`${host} cannot be reached from its network (network.mode: isolated)`);
    expect(hint).toContain('docker_backend.network.egress');
    expect(hint).toContain('`looms config set-key db_uri`');
  });

  test('on an open network it is the host that is to be looked at', () => {
    expect(unreachableHint('getaddrinfo ENOTFOUND db.example.com', spec('bridge', false))).toBe(
      'check that db.example.com is right and answers',
    );
  });

  test.each(['no such file', 'the host was polite', 'connected to db.example.com'])('%s: gets no hint', (said) => {
    expect(unreachableHint(said, spec('isolated'))).toBeUndefined();
  });
});
