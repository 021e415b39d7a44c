import { describe, expect, test } from 'vitest';
import { asProjectName } from '../../../src/model/ids.ts';
import { checkPolicy } from '../../../src/spec/check/policy.ts';
import { loadPolicyFile } from '../../../src/spec/policy-file.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';
import { check, document, only } from './checking.ts';

const read = (text: string) =>
  loadPolicyFile({ file: 'policy.yaml', directory: '/etc/looms', text }, { environment: {} });

/** What a policy says of a spec, a line a breach. */
function breaches(policy: string, spec: string, day = '2026-11-28', project = 'team-a'): string[] {
  const { policy: found, diagnostics } = read(policy);
  if (found === undefined) throw new Error(describeDiagnostics(diagnostics));
  const at = { project: asProjectName(project), now: Date.parse(`${day}T12:00:00Z`) };
  return checkPolicy([only(spec)], [found], at).map(({ severity, rule, message }) => `${severity} ${rule}: ${message}`);
}

const withPackages = (kind: 'node' | 'python', ...packages: readonly string[]): string =>
  `name: a\ndocker_backend:\n  runtime_type: ${kind}\n  ${kind}: { preinstall_packages: ${JSON.stringify(packages)} }\nmcp_server: { command: run }\n`;

describe('forbid_unpinned', () => {
  const unpinned = (kind: 'node' | 'python', ...packages: readonly string[]) =>
    breaches('forbid_unpinned: error', withPackages(kind, ...packages)).map(
      (line) => /package (.*) has no exact version/.exec(line)?.[1],
    );

  test('takes exact versions, commits, hashes and files of the folder', () => {
    const commit = 'a'.repeat(40);
    expect(
      unpinned('node', 'a@1.2.3', '@s/b@0.1.0-rc.1+x', 'c@=2.0.0', `github:o/r#${commit}`, './d.tgz', 'e@npm:f@1.0.0'),
    ).toEqual([]);
    expect(
      unpinned(
        'python',
        'a==1.2',
        'b[x,y]===3',
        'c == 1.0 ; python_version > "3"',
        `d @ git+https://h/r@${commit}`,
        './e.whl',
      ),
    ).toEqual([]);
  });

  test.each([
    ['node', ['a', 'a@latest', 'a@next', 'a@1', 'a@1.2', 'a@^1.2.3', '@s/b', '@s/b@~1.2.3', 'github:o/r', 'a@npm:b']],
    ['python', ['a', 'a>=1', 'a~=1.4.2', 'a==1.*', 'a[x]', 'a!=2', 'a @ https://h/a.whl', 'git+https://h/r@main']],
  ] as const)('names each package of %s that could be another one tomorrow', (kind, packages) => {
    expect(unpinned(kind, ...packages)).toEqual(packages);
  });

  test('names what a command line fetches, but not one that runs what is installed', () => {
    const fetched = document({
      backend: ['network: { mode: bridge }'],
      mcp: ['command: npx', 'args: [-y, "x@latest"]'],
    });
    expect(breaches('forbid_unpinned: warn', fetched)).toEqual([
      'warning forbid-unpinned: package x@latest has no exact version: what is installed changes by itself',
    ]);
    const uvx = document({ backend: ['network: { mode: bridge }'], mcp: ['command: uvx', 'args: [x@1.2.3]'] });
    expect(breaches('forbid_unpinned: warn', uvx)).toEqual([]);
    const installed = withPackages('node', 'x@1.2.3').replace('command: run', 'command: npx, args: [-y, x]');
    expect(breaches('forbid_unpinned: error', installed)).toEqual([]);
  });

  test('means images as well', () => {
    const latest = 'name: a\ndocker_backend: { base_image: debian }\nmcp_server: { command: run }\n';
    expect(breaches('forbid_unpinned: error', latest)).toEqual([
      'error forbid-unpinned: image debian has no tag: what runs changes by itself',
    ]);
  });
});

test('require_digest wants images by their digest', () => {
  const digest = `name: a\ndocker_backend: { base_image: "x/y@sha256:${'a'.repeat(64)}" }\nmcp_server: { command: run }\n`;
  expect(breaches('require_digest: true', digest)).toEqual([]);
  expect(breaches('require_digest: true', document({}))).toEqual([
    'error require-digest: image debian:bookworm-slim has no digest: whoever can write to docker.io can change what runs',
  ]);
});

describe('allowed_users', () => {
  const as = (user: string, allowed: string) =>
    breaches(`allowed_users: ${allowed}`, document({ backend: [`security: { user: "${user}" }`] })).length === 0;

  test.each([
    ['1000:1000', '[non-root]', true],
    ['0', '[non-root]', false],
    ['root', '[non-root]', false],
    ['000:1000', '[non-root]', false],
    ['node', '[non-root]', false],
    ['node', '[non-root, node]', true],
    ['1000:1000', '[1000]', true],
    ['1000:0', '["1000:1000"]', false],
    ['1500:5', '[1000-2000]', true],
    ['999', '[1000-2000]', false],
    ['root:root', '[0]', true],
  ])('%s with %s: %s', (user, allowed, expected) => {
    expect(as(user, allowed)).toBe(expected);
  });

  test('says what is not known of a name', () => {
    expect(breaches('allowed_users: [non-root]', document({ backend: ['security: { user: node }'] }))).toEqual([
      'error allowed-users: the server runs as node, a name whose number only the image knows, which is not one of: non-root',
    ]);
  });
});

test('allowed_networks and allowed_capabilities name what is beside them', () => {
  const spec = document({
    backend: ['network: { mode: bridge }', 'security: { cap_add: [NET_RAW, CHOWN], cap_drop: [MKNOD] }'],
  });
  expect(breaches('{ allowed_networks: [isolated, none], allowed_capabilities: [CHOWN, KILL] }', spec)).toEqual([
    'error allowed-networks: network mode bridge is not one of: isolated, none',
    'error allowed-capabilities: capability NET_RAW: allowed are CHOWN, KILL',
    'error allowed-capabilities: capabilities AUDIT_WRITE, DAC_OVERRIDE, FOWNER, FSETID, NET_BIND_SERVICE, SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT, which cap_drop leaves: allowed are CHOWN, KILL',
  ]);
  expect(breaches('{ allowed_capabilities: [] }', document({}))).toEqual([]);
});

describe('how a rule is held', () => {
  const large = document({ backend: ['resource_limits: { memory_mb: 4096 }'] });
  const policy = `max_memory_mb: 2048
rules:
  max_memory_mb:
    reason: machines of this rack have 4 GiB
    exceptions:
      - { server: fs, until: 2026-12-31, reason: moves next month }
`;

  test('an exception holds for its server until the end of its day, and is said after it', () => {
    expect(breaches(policy, large, '2026-12-31')).toEqual([
      'note max-memory-mb: memory_mb is 4096, at most 2048 is allowed (excepted until 2026-12-31: moves next month)',
    ]);
    expect(breaches(policy, large, '2027-01-01')).toEqual([
      'error max-memory-mb: memory_mb is 4096, at most 2048 is allowed (its exception ended with 2026-12-31)',
    ]);
    const other = document({ top: ['name: other'], backend: ['resource_limits: { memory_mb: 4096 }'] });
    expect(breaches(policy, other)).toEqual(['error max-memory-mb: memory_mb is 4096, at most 2048 is allowed']);
  });

  test('an exception can be of some projects only, and names have * for any part', () => {
    const some = policy.replace('server: fs', 'server: "f*", project: "team-*"');
    expect(breaches(some, large)[0]).toMatch(/^note/);
    expect(breaches(some, large, '2026-11-28', 'other-team-a')[0]).toMatch(/^error/);
  });

  test('a severity makes a warning of what would be an error', () => {
    expect(breaches('{ max_memory_mb: 2048, rules: { max_memory_mb: { severity: warn } } }', large)).toEqual([
      'warning max-memory-mb: memory_mb is 4096, at most 2048 is allowed',
    ]);
  });

  test('what has no effect, no end or no such day is an error', () => {
    const text = `forbid_latest: warn
max_pids: 5
rules:
  max_memory_mb: { severity: warn }
  forbid_latest: { severity: error }
  max_pids: { exceptions: [{ server: a }, { server: a, until: 2026-02-30 }, { server: A, until: soon }] }
`;
    expect(describeDiagnostics(read(text).diagnostics)).toMatchInlineSnapshot(`
      "policy.yaml:4:3 error[no-effect] rules.max_memory_mb: max_memory_mb is not a rule of this file, so nothing is held this way (hint: write max_memory_mb beside rules, or remove it here: another file's rules are changed there)
      policy.yaml:5:20 error[no-effect] rules.forbid_latest.severity: forbid_latest says itself how severe it is (hint: write forbid_latest: error, and remove this)
      policy.yaml:6:28 error[missing-key] rules.max_pids.exceptions[0]: exceptions[0] needs until
      policy.yaml:6:63 error[invalid-value] rules.max_pids.exceptions[1].until: until: 2026-02-30 is no day of the calendar
      policy.yaml:6:87 error[invalid-value] rules.max_pids.exceptions[2].server: server: expected the name of a server, with * for any part, got "A"
      policy.yaml:6:97 error[invalid-value] rules.max_pids.exceptions[2].until: until: expected a day such as 2026-12-31, got "soon""
    `);
  });
});

describe('allowed_egress', () => {
  const refused = (allowed: readonly string[], ...egress: readonly unknown[]) =>
    breaches(
      `allowed_egress: ${JSON.stringify(allowed)}`,
      document({ backend: [`network: { egress: ${JSON.stringify(egress)} }`] }),
    )
      .filter((line) => line.includes('allowed-egress'))
      .map((line) => line.replace(/^error allowed-egress: (.*) is not one of: .*$/, '$1'));

  test('takes hosts word for word, all ports of one, and all names below', () => {
    expect(refused(['db:5432', 'Any:*'], 'db:5432', 'any:1', 'any:2', 'db:5433')).toEqual(['db:5433']);
    const names = ['a.example.com:443', 'a.b.example.com:443', '*.example.com:443', '*.b.example.com:443'];
    expect(refused(['*.example.com:443'], ...names)).toEqual([]);
    expect(refused(['*.example.com:*'], 'a.example.com:5432')).toEqual([]);
  });

  test.each(['example.com:443', 'evilexample.com:443', 'a.example.com:8443', 'a.example.com.evil:443'])(
    'does not take %s for a name below',
    (entry) => expect(refused(['*.example.com:443'], entry)).toEqual([entry]),
  );

  test('holds a name with an address by the address that it leads to', () => {
    const led = { host: 'a.example.com', port: 443, address: '10.1.2.3' };
    expect(refused(['*.example.com:443', 'a.example.com:443'], led)).toEqual([
      'a.example.com:443 leads to 10.1.2.3:443, which',
    ]);
    expect(refused(['10.1.2.3:443'], led)).toEqual([]);
    expect(refused(['10.1.2.3:*'], '10.1.2.3:1025')).toEqual([]);
    expect(refused(['*.1.2.3:1025', '10.1.2.3:443'], '10.1.2.3:1025')).toEqual(['10.1.2.3:1025']);
  });
});

test('forbidden_capabilities: ALL forbids those that the engine gives by itself, too', () => {
  const with_ = (security: string): string => document({ backend: [`security: ${security}`] });
  expect(breaches('{ forbidden_capabilities: [ALL] }', document({}))).toEqual([]);
  expect(breaches('{ forbidden_capabilities: [ALL] }', with_('{ cap_drop: [] }'))).toEqual([
    'error forbidden-capabilities: capability ALL is forbidden, and cap_drop leaves it',
  ]);
  expect(breaches('{ forbidden_capabilities: [ALL] }', with_('{ cap_add: [CHOWN] }'))).toEqual([
    'error forbidden-capabilities: capability ALL is forbidden',
  ]);
});

test('allowed_egress means the listed host: without TLS on a port of it only where the entry says so', () => {
  const spec = document({
    backend: ['network: { egress: ["a.example:443", { host: b.example, port: 443, tls: false }, "b.example:80"] }'],
  });
  expect(breaches('{ allowed_egress: ["a.example:443", "b.example:*"] }', spec)).toEqual([
    'error allowed-egress: b.example:443 with tls: false reaches every host behind the same address, and is allowed with TLS only',
  ]);
  expect(breaches('{ allowed_egress: [a.example:443 without TLS, b.example:* without TLS] }', spec)).toEqual([]);
});

test.each([`sha256:${'a'.repeat(64)}`, 'sha256:abcdef', 'b'.repeat(64)])('an id is no image of a spec: %s', (id) => {
  expect(check(`name: a\ndocker_backend: { base_image: "${id}" }\nmcp_server: { command: run }\n`)).toContain(
    'invalid-image',
  );
});
