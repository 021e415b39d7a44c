import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { asProjectName } from '../../../src/model/ids.ts';
import type { PolicyFile } from '../../../src/model/policy.ts';
import { expressionProblem } from '../../../src/spec/check/call-rules.ts';
import { checkPolicy } from '../../../src/spec/check/policy.ts';
import { loadPolicyFile } from '../../../src/spec/policy-file.ts';
import { loadProjectFile } from '../../../src/spec/project-file.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';
import { document, only } from './checking.ts';

const at = { project: asProjectName('team-a'), now: Date.parse('2026-11-28T12:00:00Z') };
const load = (text: string) =>
  loadProjectFile({ file: 'looms.yaml', directory: '/repo/team', text }, { environment: { HOME: '/home/me' } });
const check = (text: string) => describeDiagnostics(load(text).diagnostics).replaceAll('looms.yaml:', '');

describe('looms.yaml', () => {
  test('gives the defaults when it is empty', () => {
    expect(load('# nothing yet\n')).toEqual({
      project: {
        policy: {
          rules: { requiredLimits: [], forbiddenCapabilities: [], projects: {}, details: {} },
          file: 'looms.yaml',
          lines: {},
        },
        secretProviders: [],
      },
      diagnostics: [],
    });
  });

  test('is read whole, in both spellings, with paths made absolute', () => {
    const text = `project: team
specs: [servers/*.yaml]
engine: { context: lab }
policy:
  allowedRegistries: [docker.io]
  forbid_latest: error
  required_limits: [memory_mb]
  max_cpu_cores: 2
  max_memory_mb: 1024
  max_pids: 50
  allowed_mounts: [./data, "\${HOME}/shared"]
  allowed_egress: ["db.example:1025"]
  forbidden_capabilities: [cap_net_raw]
secrets:
  providers:
    - { type: directory, path: ./secrets }
    - { type: command, argv: [pass, show] }
    - type: vault
      address: https://vault.example.com:8200/
      namespace: team-a
      path: /apps/{name}/
      auth: { method: approle, role_id: abc, secret_id_file: ./secret-id }
    - { type: vault, address: "http://127.0.0.1:8200", mount: kv, path: team, auth: { method: kubernetes, role: looms } }
    - { type: 1password, vault: Team }
    - { type: file }
x-note: ignored
`;
    expect(load(text)).toEqual({
      project: {
        project: 'team',
        specs: ['servers/*.yaml'],
        engine: { kind: 'context', context: 'lab', at: 'looms.yaml:3' },
        policy: {
          file: 'looms.yaml',
          lines: {
            allowed_registries: 5,
            forbid_latest: 6,
            required_limits: 7,
            max_cpu_cores: 8,
            max_memory_mb: 9,
            max_pids: 10,
            allowed_mounts: 11,
            allowed_egress: 12,
            forbidden_capabilities: 13,
          },
          rules: {
            allowedRegistries: ['docker.io'],
            forbidLatest: 'error',
            requiredLimits: ['memory_mb'],
            maxCpuCores: 2,
            maxMemoryMiB: 1024,
            maxPids: 50,
            allowedMounts: ['/repo/team/data', '/home/me/shared'],
            allowedEgress: ['db.example:1025'],
            forbiddenCapabilities: ['NET_RAW'],
            projects: {},
            details: {},
          },
        },
        secretProviders: [
          { type: 'directory', path: '/repo/team/secrets' },
          { type: 'command', argv: ['pass', 'show'] },
          {
            type: 'vault',
            address: 'https://vault.example.com:8200',
            namespace: 'team-a',
            mount: 'secret',
            path: 'apps/{name}',
            field: 'value',
            auth: { method: 'approle', mount: 'approle', roleId: 'abc', secretIdFile: '/repo/team/secret-id' },
          },
          {
            type: 'vault',
            address: 'http://127.0.0.1:8200',
            mount: 'kv',
            path: 'team',
            field: 'value',
            auth: {
              method: 'kubernetes',
              mount: 'kubernetes',
              role: 'looms',
              tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
            },
          },
          { type: '1password', vault: 'Team', field: 'password' },
          { type: 'file' },
        ],
      },
      diagnostics: [],
    });
  });

  test('says everything that is wrong with it, and gives no settings then', () => {
    const text = `project: My Team
engine: { context: a, host: unix:///x }
policy: { forbid_latest: maybe, max_memory: 5, forbidden_capabilities: [RAW] }
secrets: { providers: [{ type: directory, argv: [x] }, { type: valt }, {}] }
---
project: other
`;
    expect(load(text).project).toBeUndefined();
    expect(check(text)).toMatchInlineSnapshot(`
      "1:10 error[invalid-value] project: project: expected a lower-case DNS label of at most 40 characters, got "My Team"
      2:23 error[conflict] engine.host: engine.context and engine.host each name an engine [2:11 context is here] (hint: keep one of them)
      3:26 error[invalid-value] policy.forbid_latest: forbid_latest: expected one of warn, error, off, got "maybe"
      3:33 error[unknown-key] policy.max_memory: policy has no key max_memory (hint: did you mean max_memory_mb?)
      3:73 error[unknown-capability] policy.forbidden_capabilities[0]: RAW is not a Linux capability (hint: did you mean NET_RAW?)
      4:24 error[missing-key] secrets.providers[0]: type directory needs path
      4:43 error[no-effect] secrets.providers[0].argv: argv has no effect with type directory (hint: remove it; type directory takes path)
      4:64 error[invalid-value] secrets.providers[1].type: type: expected one of environment, keyring, file, directory, command, vault, 1password, aws-secrets-manager, aws-ssm, gcp-secret-manager, azure-key-vault, got "valt" (hint: did you mean vault?)
      4:72 error[missing-key] secrets.providers[2]: providers[2] needs type
      6:1 error[extra-document] looms.yaml is one document"
    `);
  });
});

describe('the engine of looms.yaml', () => {
  const engineIn = (text: string) => load(`project: a\nengine: ${text}\n`).project?.engine;

  test.each([
    ['{ context: lab }', { kind: 'context', context: 'lab', at: 'looms.yaml:2' }],
    ['{ host: ssh://me@box }', { kind: 'host', host: 'ssh://me@box', at: 'looms.yaml:2' }],
    ['\n  kubernetes:\n    context: prod', { kind: 'kubernetes', context: 'prod', at: 'looms.yaml:3' }],
    ['{ kubernetes: {} }', { kind: 'kubernetes', at: 'looms.yaml:2' }],
    ['{ kubernetes: in-cluster }', { kind: 'kubernetes', context: 'in-cluster', at: 'looms.yaml:2' }],
    ['{ registry: registry.example:5000/team }', undefined],
    ['{}', undefined],
  ])('%s', (text, engine) => {
    expect(load(`engine: ${text}\n`).diagnostics).toEqual([]);
    expect(engineIn(text)).toEqual(engine);
  });

  test('names a registry beside it, without the slash at the end', () => {
    const { project } = load('engine: { kubernetes: {}, registry: registry.example/team/ }\n');
    expect(project).toMatchObject({ registry: 'registry.example/team', engine: { kind: 'kubernetes' } });
  });

  test('is one, in the words of its key, and a registry is no address', () => {
    const text = `engine:
  context: kubernetes:prod
  host: unix:///x
  kubernetes: prod
  registry: https://registry.example/team
`;
    expect(check(text)).toMatchInlineSnapshot(`
      "3:3 error[conflict] engine.host: engine.context and engine.host each name an engine [2:3 context is here] (hint: keep one of them)
      4:3 error[conflict] engine.kubernetes: engine.context and engine.kubernetes each name an engine [2:3 context is here] (hint: keep one of them)
      4:15 error[invalid-value] engine.kubernetes: kubernetes: expected in-cluster, or a map: {} or { context: NAME }, got "prod"
      5:13 error[invalid-value] engine.registry: registry: expected HOST/FOLDER as in registry.example.com/team-a, got "https://registry.example/team""
    `);
    expect(check('engine: { context: "docker:lab" }')).toMatchInlineSnapshot(
      `"1:20 error[invalid-value] engine.context: context: "docker:lab" is no name of a Docker context (hint: write engine: { context: lab })"`,
    );
    expect(check('engine: { context: "docker:" }')).toMatchInlineSnapshot(
      `"1:20 error[invalid-value] engine.context: context: "docker:" is no name of a Docker context (hint: leave engine.context out: Docker is looked for without it)"`,
    );
    expect(check('engine: { context: "kubernetes:in-cluster" }')).toMatchInlineSnapshot(
      `"1:20 error[invalid-value] engine.context: context: "kubernetes:in-cluster" is no name of a Docker context (hint: write engine: { kubernetes: in-cluster })"`,
    );
    expect(check('engine: { context: "kubernetes:" }')).toMatchInlineSnapshot(
      `"1:20 error[invalid-value] engine.context: context: "kubernetes:" is no name of a Docker context (hint: write engine: { kubernetes: {} })"`,
    );
    expect(check('engine: { kubernetes: }')).toMatchInlineSnapshot(
      `"1:23 error[wrong-type] engine.kubernetes: kubernetes: expected in-cluster, or a map: {} or { context: NAME }, got nothing"`,
    );
  });
});

test('each source of secrets has its own keys, and each mistake its line', () => {
  const text = `secrets:
  providers:
    - { type: vault, path: team }
    - { type: vault, address: "http://vault.example.com:8200", path: team, field: value }
    - { type: vault, address: "https://v", path: team, auth: { method: approle, role: looms } }
    - { type: vault, address: vault.example.com, path: team }
    - { type: vault, address: "https://v", path: team, auth: { method: ldap } }
    - { type: 1password, path: x }
    - { type: aws-ssm, vault: x }
    - { type: file, path: x }
    - type: file
    - { type: gcp-secret-manager, prefix: team-, project: acme }
`;
  expect(check(text)).toMatchInlineSnapshot(`
    "3:7 error[missing-key] secrets.providers[0]: type vault needs address
    4:31 error[insecure-address] secrets.providers[1].address: over http:// the token and every secret could be read on the way (hint: https://, or a proxy or agent of Vault on this machine (http://127.0.0.1:8200))
    4:76 error[no-effect] secrets.providers[1].field: field has no effect without {name} in path: the name of a secret is its key in the one entry (hint: remove it, or path: team/{name})
    5:62 error[missing-key] secrets.providers[2].auth: method approle needs role_id
    5:81 error[no-effect] secrets.providers[2].auth.role: role has no effect with method approle (hint: remove it; method approle takes role_id, mount, secret_id_file)
    6:31 error[invalid-value] secrets.providers[3].address: address: expected an address such as https://vault.example.com:8200, got "vault.example.com"
    7:72 error[invalid-value] secrets.providers[4].auth.method: method: expected one of token, approle, kubernetes, got "ldap"
    8:7 error[missing-key] secrets.providers[5]: type 1password needs vault
    8:26 error[no-effect] secrets.providers[5].path: path has no effect with type 1password (hint: remove it; type 1password takes vault, field, account)
    9:24 error[no-effect] secrets.providers[6].vault: vault has no effect with type aws-ssm (hint: remove it; type aws-ssm takes prefix, region, profile)
    10:21 error[no-effect] secrets.providers[7].path: path has no effect with type file (hint: remove it)
    11:13 error[conflict] secrets.providers[8].type: file has two places in the order [10:9 the first is here] (hint: keep one of them)"
  `);
});

test('what is wrong with serve is told with its line', () => {
  const text = `serve:
  token_file: keys/local.token
  public_url: http://mcp.example.com
  tokens:
    - { name: local, secret: "\${secret:one}", allow: ["fs:*"] }
    - { name: ci, secret: "\${secret:one}", allow: [fs] }
    - { name: ci, secret: "\${secret:two}", allow: ["fs:*"], expires: 2027-02-30 }
`;
  expect(check(text)).toMatchInlineSnapshot(`
    "2:15 error[invalid-value] serve.token_file: its bearer would be called local, which is whoever comes by the socket (hint: give the file another name: its bearer has the same one, without ending)
    3:15 error[insecure-address] serve.public_url: over http:// tokens could be read on the way (hint: https://, or an address of this machine (http://127.0.0.1))
    5:15 error[invalid-value] serve.tokens[0].name: name: expected at most 64 letters, digits, ".", "_" and "-", and not local, which is whoever comes by the socket, got "local"
    6:52 error[invalid-value] serve.tokens[1].allow[0]: allow[0]: expected server:tool, with * for any part, such as fs:read_*, got "fs"
    7:15 error[conflict] serve.tokens[2].name: there are two tokens called ci [6:9 the first is here] (hint: the audit trail tells clients by these names: give each its own)
    7:70 error[invalid-value] serve.tokens[2].expires: expires: 2027-02-30 is no day of the calendar"
  `);
});

test('a key that looms.yaml does not have is said to be missing there', () => {
  expect(check('zork: 1\n')).toMatchInlineSnapshot(
    `"1:1 error[unknown-key] zork: looms.yaml has no key zork (hint: valid keys: alert_to, alerts, engine, engines, keep, policy, project, secrets, serve, specs)"`,
  );
});

describe('a policy', () => {
  const server = only(
    document({
      top: ['name: web'],
      backend: [
        'volume_mounts: [{ source: ./data, target: /data }, { source: /srv/x, target: /x }]',
        'resource_limits: { cpu_cores: 4, memory_mb: 2048 }',
        'network: { mode: bridge }',
        'security: { cap_add: [NET_RAW], cap_drop: [] }',
      ],
    }),
  );
  const breaches = (policy: string, subject: typeof server | { spec: typeof server.spec } = server) => {
    const { project } = load(`policy: ${policy}`);
    if (project === undefined) throw new Error(policy);
    return checkPolicy([subject], [project.policy], at).map(
      (one) => `${one.place?.position.line ?? '-'} ${one.severity} ${one.rule} ${one.server}: ${one.message}`,
    );
  };

  test('names rule, server, value, limit and line of every breach', () => {
    expect(
      breaches(
        '{ allowed_registries: [ghcr.io/team], required_limits: [memory_mb, pids_limit], max_cpu_cores: 2, max_memory_mb: 1024, max_pids: 50, allowed_mounts: [./data], allowed_egress: [], forbidden_capabilities: [NET_RAW, CHOWN, BPF] }',
      ),
    ).toMatchInlineSnapshot(`
      [
        "3 error allowed-registries web: image debian:bookworm-slim comes from docker.io, which is not one of: ghcr.io/team",
        "5 error required-limits web: resource_limits.pids_limit must be given",
        "5 error max-cpu-cores web: cpu_cores is 4, at most 2 is allowed",
        "5 error max-memory-mb web: memory_mb is 2048, at most 1024 is allowed",
        "5 error max-pids web: pids_limit is 256 by default, at most 50 is allowed",
        "4 error allowed-mounts web: /srv/x is mounted, which is in none of: /repo/team/data",
        "6 error allowed-egress web: network mode bridge reaches every host",
        "7 error forbidden-capabilities web: capability NET_RAW is forbidden",
        "7 error forbidden-capabilities web: capability CHOWN is forbidden, and cap_drop leaves it",
      ]
    `);
  });

  test('lets through what it allows', () => {
    expect(
      breaches(
        '{ allowed_registries: [docker.io], max_cpu_cores: 4, allowed_mounts: [/repo, /srv/x], forbid_latest: error }',
      ),
    ).toEqual([]);
  });

  test('compares whole folders and whole registries, not their first letters', () => {
    expect(breaches('{ allowed_mounts: [/repo/team/dat, /srv], allowed_registries: [docker.i] }')).toHaveLength(2);
  });

  test('warns of images that change by themselves, unless told otherwise', () => {
    const latest = only('name: a\ndocker_backend: { base_image: ghcr.io/a/b }\n');
    const tagged = only('name: a\ndocker_backend: { base_image: "localhost:5000/b:latest" }\n');
    expect([...breaches('{}', latest), ...breaches('{ forbid_latest: error }', tagged)]).toMatchInlineSnapshot(`
      [
        "2 warning forbid-latest a: image ghcr.io/a/b has no tag: what runs changes by itself",
        "2 error forbid-latest a: image localhost:5000/b:latest has the tag latest: what runs changes by itself",
      ]
    `);
    expect(breaches('{ forbid_latest: off }', latest)).toEqual([]);
  });

  test('checks what runs as well, without a line', () => {
    expect(
      breaches('{ max_cpu_cores: 2, required_limits: [memory_mb, storage_mb] }', { spec: server.spec }),
    ).toMatchInlineSnapshot(`
      [
        "- error required-limits web: resource_limits.storage_mb must be given",
        "- error max-cpu-cores web: cpu_cores is 4, at most 2 is allowed",
      ]
    `);
  });
});

test('how many past generations are kept is a number', () => {
  expect(check('keep: 5\n')).toBe('');
  expect(check('keep: -1\n')).toContain('keep');
});

describe('several policies', () => {
  const policyIn = (file: string, text: string): PolicyFile => {
    const { policy, diagnostics } = loadPolicyFile({ file, directory: dirname(file), text }, { environment: {} });
    if (policy === undefined) throw new Error(describeDiagnostics(diagnostics));
    return policy;
  };
  const home = '/home/me/.config/looms/policy.yaml';
  const machine = '/etc/looms/policy.yaml';
  const breaches = (spec: string, ...policies: readonly PolicyFile[]) =>
    checkPolicy([only(spec)], policies, at).map(({ severity, rule, limit, from }) =>
      [severity, rule, limit, `${from?.file}:${from?.line}`].join(' '),
    );
  const large = document({ backend: ['resource_limits: { memory_mb: 4096, cpu_cores: 8 }'] });

  test('hold together, and each breach says which file and line it is from', () => {
    const mine = policyIn(home, '# mine\nmax_cpu_cores: 4\n');
    const theirs = policyIn(machine, 'max_memory_mb: 2048\nmax_cpu_cores: 16\n');
    expect(breaches(large, mine, theirs)).toEqual([
      `error max-cpu-cores 4 ${home}:2`,
      `error max-memory-mb 2048 ${machine}:1`,
    ]);
  });

  test('are told once where several say it, by the strictest', () => {
    const [low, high] = [policyIn(home, 'max_memory_mb: 512\n'), policyIn(machine, 'max_memory_mb: 2048\n')];
    for (const order of [[low, high] as const, [high, low] as const]) {
      expect(breaches(large, ...order)).toEqual([`error max-memory-mb 512 ${home}:1`]);
    }
    const latest = 'name: a\ndocker_backend: { base_image: debian }\n';
    const [warns, forbids, allows] = ['warn', 'error', 'off'].map((how) =>
      policyIn(machine, `forbid_latest: ${how}\n`),
    );
    if (warns === undefined || forbids === undefined || allows === undefined) throw new Error('no policy');
    expect(breaches(latest, warns, forbids, allows)).toEqual([`error forbid-latest a tag or a digest ${machine}:1`]);
    expect(breaches(latest, allows)).toEqual([]);
    expect(breaches(latest)).toEqual(['warning forbid-latest a tag or a digest undefined:undefined']);
  });

  test('are both told where each has a list of its own: what is written has to be in both', () => {
    const [one, other] = [
      policyIn(home, 'allowed_registries: [ghcr.io]'),
      policyIn(machine, 'allowed_registries: [quay.io]'),
    ];
    expect(breaches(large, one, other)).toHaveLength(2);
  });

  test('are read strictly, each by its own name, with folders relative to it', () => {
    expect(policyIn(machine, 'allowed_mounts: [srv]').rules.allowedMounts).toEqual(['/etc/looms/srv']);
    const { policy, diagnostics } = loadPolicyFile(
      { file: machine, directory: '/etc/looms', text: 'policy: { max_pids: 5 }\nforbid_latest: x\n' },
      { environment: {} },
    );
    expect(policy).toBeUndefined();
    expect(describeDiagnostics(diagnostics)).toMatchInlineSnapshot(`
      "/etc/looms/policy.yaml:1:1 error[unknown-key] policy: policy.yaml has no key policy (hint: valid keys: allowed_capabilities, allowed_egress, allowed_mounts, allowed_networks, allowed_registries, allowed_users, forbid_latest, forbid_unpinned, forbidden_capabilities, max_cpu_cores, max_memory_mb, max_pids, projects, require_digest, required_limits, rules)
      /etc/looms/policy.yaml:2:16 error[invalid-value] forbid_latest: forbid_latest: expected one of warn, error, off, got "x""
    `);
  });
});

describe('serve', () => {
  const whole = `serve:
  listen: 127.0.0.1:7777
  tokenFile: ./token
  public_url: https://mcp.example.com
  aggregate: { separator: _, max_name: 60 }
  sessions: { idle_seconds: 60, max: 8, max_per_principal: 2 }
  tokens:
    - { name: ci, secret: "\${secret:ci_token}", allow: ["fs:read_*", "time:*"], expires: 2027-01-01 }
    - { name: me, secret: "\${MY_TOKEN}", allow: ["*:*"] }
  oidc: { issuer: "https://idp.example.com", audience: "https://mcp.example.com", groups_claim: roles }
  policy:
    - deny: '!("admins" in principal.groups)'
    - allow: server == "fs"
  limits: { calls_per_minute: 60, in_flight: 32, body_mb: 4 }
  scan: mask
`;

  test('is read whole; a token is the name of a secret', () => {
    const { project, diagnostics } = load(whole);
    expect(diagnostics).toEqual([]);
    expect(project?.serve).toEqual({
      listen: '127.0.0.1:7777',
      tokenFile: '/repo/team/token',
      publicUrl: 'https://mcp.example.com',
      aggregate: { separator: '_', maxName: 60 },
      sessions: { idleSeconds: 60, max: 8, maxPerPrincipal: 2 },
      tokens: [
        {
          name: 'ci',
          secret: { from: 'provider', name: 'ci_token' },
          allow: ['fs:read_*', 'time:*'],
          expires: '2027-01-01',
        },
        { name: 'me', secret: { from: 'environment', name: 'MY_TOKEN' }, allow: ['*:*'] },
      ],
      oidc: {
        issuer: 'https://idp.example.com',
        audience: 'https://mcp.example.com',
        groupsClaim: 'roles',
        allow: [],
      },
      policy: [
        { effect: 'deny', expression: '!("admins" in principal.groups)', file: 'looms.yaml', line: 12 },
        { effect: 'allow', expression: 'server == "fs"', file: 'looms.yaml', line: 13 },
      ],
      limits: { callsPerMinute: 60, inFlight: 32, bodyMiB: 4 },
      scan: 'mask',
    });
    expect(load('serve: { scan: "off" }').project?.serve).toMatchObject({ tokens: [], policy: [], limits: {} });
  });

  test('what is wrong with it is said with its line and what to write', () => {
    const text = `serve:
  listen: 7777
  public_url: http://mcp.example.com
  aggregate: { separator: "." }
  tokens:
    - { name: ci, secret: hunter2-hunter2-hunter2, allow: [fs], expires: 2027-02-30 }
    - { name: ci, secret: "\${secret:a}", allow: [] }
  oidc: { issuer: https://idp.example.com }
  policy:
    - { deny: "true", allow: "true" }
    - deny: 1 +
    - deny: arguments.path.matches("^(a+)+$")
    - deny: arguments.l.all(x, arguments.l.exists(y, y == x))
    - deny: who == "me"
    - deny: server
  limits: { body_mb: 900 }
  scan: maybe
`;
    const file = { file: 'looms.yaml', directory: '/repo', text };
    const { diagnostics } = loadProjectFile(file, { environment: {} }, expressionProblem);
    expect(describeDiagnostics(diagnostics).replaceAll('looms.yaml:', '')).toMatchInlineSnapshot(`
      "2:11 error[wrong-type] serve.listen: listen: expected HOST:PORT, such as 127.0.0.1:7777, got 7777 (hint: write "7777" with quotes)
      3:15 error[insecure-address] serve.public_url: over http:// tokens could be read on the way (hint: https://, or an address of this machine (http://127.0.0.1))
      4:27 error[invalid-value] serve.aggregate.separator: separator: expected at most 8 letters, digits, _ and -, beginning with _, got "."
      6:27 error[invalid-value] serve.tokens[0].secret: secret: the token itself must not stand in this file, alone or with more around it (hint: write \${secret:NAME}, and \`looms config set-key NAME\`)
      6:60 error[invalid-value] serve.tokens[0].allow[0]: allow[0]: expected server:tool, with * for any part, such as fs:read_*, got "fs"
      6:74 error[invalid-value] serve.tokens[0].expires: expires: 2027-02-30 is no day of the calendar
      8:3 error[missing-key] serve.oidc: oidc needs audience
      10:7 error[conflict] serve.policy[0]: a rule has one of deny and allow
      11:13 error[invalid-value] serve.policy[1].deny: no CEL expression: Unexpected token: EOF
      12:13 error[invalid-value] serve.policy[2].deny: matches cannot be used in a rule (hint: a client could make a regular expression as slow as it wants: use startsWith, endsWith, contains, == or in)
      13:13 error[invalid-value] serve.policy[3].deny: exists within another walk of a list: a client could make it as slow as it wants
      14:13 error[invalid-value] serve.policy[4].deny: no rule: Unknown variable: who (hint: variables are principal (name, groups), server, tool (name, annotations) and arguments)
      15:13 error[invalid-value] serve.policy[5].deny: a rule is true or false, and this is of type string
      16:22 error[invalid-value] serve.limits.body_mb: body_mb: expected a whole number from 1 to 64, got 900
      17:9 error[invalid-value] serve.scan: scan: expected one of off, mask, deny, got "maybe""
    `);
  });
});

describe('several engines', () => {
  test('are read in the order of the file, with what servers are placed by', () => {
    const { project } = load(
      'engines: { b: { host: unix:///b, labels: { gpu: true } }, a: { kubernetes: {}, weight: 0, lost_after_seconds: 60 }, c: {} }',
    );
    expect(project?.engines).toMatchObject([
      { name: 'b', named: { kind: 'host', host: 'unix:///b' }, labels: { gpu: 'true' }, weight: 1, cost: 0 },
      { name: 'a', named: { kind: 'kubernetes' }, weight: 0, lostAfterMs: 60_000 },
      { name: 'c', labels: {}, lostAfterMs: 300_000 },
    ]);
  });

  test.each([
    ['engines: {}', 'engines names none'],
    ['engine: { context: x }\nengines: { a: {} }', 'engine and engines each say where servers run'],
    ['engines: { A_b: {} }', '"A_b" is not a lower-case DNS label'],
    [
      'engines: { a: { host: unix:///a, kubernetes: {} } }',
      'engines.a.host and engines.a.kubernetes each name an engine',
    ],
  ])('%s is wrong', (text, message) => {
    expect(check(`${text}\n`)).toContain(message);
  });
});
