import { describe, expect, test } from 'vitest';
import { unreachableHint } from '../../../src/app/talk/unreachable-hint.ts';
import { listedPlace } from '../../../src/docker/views/serving.ts';
import type { DesiredServer, NetworkMode } from '../../../src/model/desired.ts';
import type { Refusal } from '../../../src/model/server-view.ts';
import { server } from '../../support/planner-world.ts';

const spec = (mode: NetworkMode, withSecret = true): DesiredServer => {
  const uri = { kind: 'secret', parts: [{ from: 'provider', name: 'db_uri' }] } as const;
  return server('db', { network: { mode }, mcp: { env: withSecret ? { DATABASE_URI: uri } : {} } }).spec;
};

const led = (): DesiredServer =>
  server('db', { network: { egress: [{ host: 'db.example.com', port: 5432, tls: false }] } }).spec;

const hintOf = (said: string, of: DesiredServer, refused?: readonly Refusal[]): string | undefined =>
  unreachableHint(said, of, of.network.egress.length > 0 ? listedPlace : undefined, refused);

describe('a server that says it could not reach a host', () => {
  test.each([
    ['[SQLState 08000] Hostname lookup failed for vantage.example.com', 'vantage.example.com'],
    ['Error: getaddrinfo ENOTFOUND db.example.com', 'db.example.com'],
    ['[SQLState 08000] Hostname lookup failed for db', 'db'],
    ['could not translate host name "db.example.com" to address', 'db.example.com'],
    ['dial tcp: lookup db.example.com on 127.0.0.11:53: no such host', 'db.example.com'],
    ['connect ECONNREFUSED 10.0.0.1:5432', '10.0.0.1'],
    ['dial tcp 10.1.2.3:1025: connect: no route to host', '10.1.2.3'],
    ['connect ECONNREFUSED 127.0.0.1:5432', 'the host'],
    ['connect ECONNREFUSED 169.254.64.33:5432', 'the host'],
    ['[Errno -2] Name or service not known', 'the host'],
    ['Failed to fetch: All connection attempts failed', 'the host'],
  ])('%s: gets the host, the network and the secret to set', (said, host) => {
    const hint = hintOf(said, spec('isolated'));
    const entry = host === 'the host' ? 'HOST' : host;
    expect(hint).toContain(`${host} cannot be reached: the server reaches nothing outside (network.mode: isolated)`);
    expect(hint).toContain(`add "${entry}:PORT" to docker_backend.network.egress`);
    expect(hint).toContain('`looms config set-key db_uri`');
  });

  test('hears whose address it is that it does not take, behind its forwarder alone', () => {
    const said = 'Refused to fetch https://db.example.com/: resolves to 169.254.69.160, which is not a public address';
    expect(hintOf(said, led())).toMatch(/^169\.254\.69\.160 is where .* --allow-private-ips\)$/);
    expect(hintOf(said, spec('isolated'))).toBeUndefined();
    expect(hintOf(said.replace('69.160', '169.254'), led())).toBeUndefined();
  });

  test('hears what it may reach instead', () => {
    const hint = hintOf('getaddrinfo ENOTFOUND other.example.com', led());
    expect(hint).toContain('other.example.com cannot be reached: the server reaches only db.example.com:5432');
  });

  test('hears what its forwarder refused of it, or most often where it names no host', () => {
    const refused = [
      { what: 'other.example.com: not listed', entry: null, times: 3 },
      { what: 'an.other.example.com: not listed', entry: null, times: 2 },
      { what: 'db.example.com:5432: nobody answers at 10.0.0.1', entry: null, times: 2 },
      { what: 'b: not listed', entry: null, times: 1 },
      { what: 'c: not listed', entry: null, times: 1 },
    ];
    expect(hintOf('getaddrinfo ENOTFOUND Other.example.com', led(), refused)).toMatch(
      /; refused so far: other\.example\.com: not listed \(3\)$/,
    );
    expect(hintOf('read ECONNRESET', led(), refused)).toMatch(
      /; refused so far: other\.example\.com: not listed \(3\), an\.other\.example\.com: not listed \(2\), db\.example\.com:5432: nobody answers at 10\.0\.0\.1 \(2\), …$/,
    );
    expect(hintOf('getaddrinfo ENOTFOUND unheard.example.com', led(), refused)).not.toContain('refused so far');
  });

  test.each([
    'could not connect to server at "db.example.com"',
    'lookup db.example.com: server closed the connection unexpectedly',
  ])('hears of a host that it may reach that the port and the host are to be looked at (%s)', (said) => {
    expect(hintOf(`${said}: connection refused`, led())).toContain(
      'db.example.com:5432 may be reached: check that the port is this one',
    );
  });

  test.each([
    [
      'connection to server at "db.example.com" (169.254.69.160), port 5433 failed: Connection refused',
      'db.example.com',
    ],
    ['dial tcp: lookup db.example.com:5433: connection refused', 'db.example.com'],
  ])('hears of a port that is not listed for a host that is (%s)', (said, host) => {
    expect(hintOf(said, led())).toBe(
      `port 5433 of ${host} is not listed, only db.example.com:5432: if that is the right port, add "${host}:5433" to docker_backend.network.egress`,
    );
    expect(hintOf(said.replace('5433', '5432'), led())).toContain('db.example.com:5432 may be reached');
  });

  test.each(['ECONNREFUSED 169.254.69.160:5433', "Connection refused: Connect call failed ('169.254.69.160', 5433)"])(
    'hears of a port that is listed of no host, where the server says only the address (%s)',
    (said) => {
      expect(hintOf(said, led())).toBe(
        '169.254.69.160 is where the server finds a host of its list, and port 5433 is listed of none: only db.example.com:5432 may be reached; add the host with this port to docker_backend.network.egress',
      );
      expect(hintOf(said.replace('5433', '5432'), led())).toContain('the host cannot be reached');
    },
  );

  test('hears of connections that end at once where it has a forwarder, and nowhere else', () => {
    expect(hintOf('read ECONNRESET', led())).toContain('the host cannot be reached');
    expect(hintOf('read ECONNRESET', spec('isolated'))).toBeUndefined();
  });

  test('on an open network it is the host that is to be looked at', () => {
    expect(hintOf('getaddrinfo ENOTFOUND db.example.com', spec('bridge', false))).toBe(
      'check that db.example.com is right and answers',
    );
  });

  test.each(['no such file', 'the host was polite', 'connected to db.example.com'])('%s: gets no hint', (said) => {
    expect(hintOf(said, spec('isolated'))).toBeUndefined();
  });
});
