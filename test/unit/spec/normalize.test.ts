import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadDocuments } from '../../../src/spec/load.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';
import { check, document, load, only } from './checking.ts';

describe('what a spec becomes', () => {
  test('every default of spec.md is filled in', () => {
    expect(only('name: a\ndocker_backend: { base_image: x }\n').spec).toEqual({
      name: 'a',
      enabled: true,
      replicas: 1,
      hostname: '',
      image: { kind: 'image', ref: 'x' },
      pullPolicy: 'missing',
      environment: {},
      mounts: [],
      limits: { cpuCores: 1, memoryMiB: 512, pidsLimit: 256, executionTimeoutSeconds: 300 },
      security: {
        user: '1000:1000',
        readOnlyRoot: true,
        capDrop: ['ALL'],
        capAdd: [],
        noNewPrivileges: true,
        tmpfs: { '/tmp': '64m' },
      },
      network: { mode: 'isolated', egress: [], egressLearn: false },
      lifecycle: {
        healthCheckIntervalSeconds: 60,
        autoCleanup: true,
        drainSeconds: 30,
        rotateOnImageChange: false,
        preserve: [],
        restart: 'unless-stopped',
      },
      labels: {},
      mcp: {
        transport: { kind: 'stdio' },
        args: [],
        env: {},
        envFrom: [],
        timeoutSeconds: 30,
        protocol: 'legacy',
        tools: { exclude: [] },
      },
    });
  });

  test('runtimes pick the base image by version, also when the version is written without quotes', () => {
    const image = (backend: string) =>
      only(`name: a\ndocker_backend: ${backend}\nmcp_server: { command: x }\n`).spec.image;
    expect(image('{ runtime_type: python }')).toEqual({ kind: 'image', ref: 'python:3.13-slim' });
    expect(image('{ runtime_type: RUNTIME_TYPE_NODE }')).toEqual({ kind: 'image', ref: 'node:24-slim' });
    expect(image('{ runtime_type: python, python: { python_version: 3.10 } }')).toEqual({
      kind: 'image',
      ref: 'python:3.10-slim',
    });
    expect(image('{ runtime_type: python, python: { preinstall_packages: [b, a], use_pip_cache: true } }')).toEqual({
      kind: 'python',
      base: 'python:3.13-slim',
      packages: ['b', 'a'],
      pipCache: true,
    });
    expect(image('{ runtime_type: node, node: { node_version: 22, package_json_file: ./app/package.json } }')).toEqual({
      kind: 'node',
      base: 'node:22-slim',
      packages: [],
      packageJsonFile: 'app/package.json',
      npmCache: true,
    });
  });

  test('camelCase and snake_case mean the same', () => {
    const snake = only(document({ backend: ['resource_limits: { memory_mb: 64 }'], mcp: ['timeout_seconds: 5'] }));
    const camel = only(document({ backend: ['resourceLimits: { memoryMb: 64 }'], mcp: ['timeoutSeconds: 5'] }));
    expect(camel.spec).toEqual(snake.spec);
  });

  test('mcp_server may stand inside docker_backend, and in both places with the same content', () => {
    const inside = 'name: a\ndocker_backend:\n  base_image: x\n  mcp_server: { command: y, env: { A: 1 } }\n';
    expect(only(inside).spec.mcp.command).toBe('y');
    expect(only(`${inside}mcp_server: { command: y, env: { A: 1 } }\n`).spec.mcp.env).toEqual({
      A: { kind: 'literal', value: '1' },
    });
    expect(check(`${inside}mcp_server: { command: y, env: { A: 2 } }\n`)).toContain('mcp-server-conflict');
  });

  test('anchors, aliases and merge keys work, and a key of its own wins over a merged one', () => {
    const text = `x-limits: &limits { cpu_cores: 2, memory_mb: 64 }
name: a
docker_backend:
  base_image: &image debian:12
  resource_limits: { <<: *limits, memoryMb: 128 }
  custom: { labels: { base: *image } }
`;
    const { spec } = only(text);
    expect(spec.limits).toMatchObject({ cpuCores: 2, memoryMiB: 128 });
    expect(spec.labels).toEqual({ base: 'debian:12' });
  });

  test('empty documents, a byte order mark and Windows line ends are no obstacle', () => {
    const text = `\ufeff# nothing\n---\n${document({})}---\n# only a comment\n---\n~\n---\n`.replaceAll('\n', '\r\n');
    expect(load(text).servers.map(({ spec, source }) => [spec.name, source.line])).toEqual([['fs', 3]]);
    expect(check(text)).toBe('');
    expect(check('')).toBe('');
  });

  test('scalars of an environment keep their text, and values of the user keep theirs', () => {
    const { spec } = only(
      document({ mcp: ['args: [-p, 3001, 1.0, true]', 'env: { A: 1.0, B: true, C: 0x1F, D: "" }'] }),
    );
    expect(spec.mcp.args).toEqual(['-p', '3001', '1.0', 'true']);
    expect(Object.values(spec.mcp.env).map((value) => value.kind === 'literal' && value.value)).toEqual([
      '1.0',
      'true',
      '0x1F',
      '',
    ]);
  });

  test('mounts are resolved against the folder of the spec, and volumes keep their name', () => {
    const { spec } = only(
      document({
        backend: [
          'volume_mounts:',
          '  - { source: ./data, target: /data/, read_only: true }',
          '  - { source: ../shared, target: /shared }',
          '  - { source: notes, target: /notes }',
        ],
      }),
    );
    expect(spec.mounts).toEqual([
      { type: 'bind', source: '/repo/team/data', target: '/data', readOnly: true },
      { type: 'volume', source: 'notes', target: '/notes', readOnly: false },
      { type: 'bind', source: '/repo/shared', target: '/shared', readOnly: false },
    ]);
  });

  test('a mount at /tmp takes the place of the default in-memory folder, and an empty map removes it', () => {
    expect(only(document({ backend: ['volume_mounts: [{ source: t, target: /tmp }]'] })).spec.security.tmpfs).toEqual(
      {},
    );
    expect(only(document({ backend: ['security: { tmpfs: {} }'] })).spec.security.tmpfs).toEqual({});
  });

  test('capabilities are brought to one spelling and order', () => {
    const { spec } = only(document({ backend: ['security: { cap_add: [cap_setuid, NET_RAW, net_raw], user: 0 }'] }));
    expect(spec.security).toMatchObject({ capAdd: ['NET_RAW', 'SETUID'], user: '0' });
  });

  test('HTTP servers get the usual path of their transport', () => {
    const transport = (kind: string) => only(document({ mcp: [`transport: ${kind}`, 'port: 80'] })).spec.mcp.transport;
    expect(transport('streamable-http')).toEqual({ kind: 'streamable-http', port: 80, path: '/mcp' });
    expect(transport('sse')).toEqual({ kind: 'sse', port: 80, path: '/sse' });
  });

  test('an included list of tools that is empty lets no tool through', () => {
    expect(only(document({ mcp: ['tools: { include: [] }'] })).spec.mcp.tools).toEqual({ include: [], exclude: [] });
    expect(only(document({ mcp: ['tools: { all: true }'] })).spec.mcp.tools).toEqual({ exclude: [] });
  });
});

describe('variables', () => {
  const args = (text: string, environment: Record<string, string> = {}) =>
    only(document({ mcp: [`args: [${JSON.stringify(text)}]`] }), { environment }).spec.mcp.args[0];

  test('come from the environment, once, and defaults stand in for unset and empty ones', () => {
    expect(args('${A}-${B:-b}-${C:-c}', { A: '${B}', C: '' })).toBe('${B}-b-c');
    expect(args('${A}', { A: '' })).toBe('');
    expect(args('${A:?needed}', { A: 'x' })).toBe('x');
  });

  test('a doubled dollar before a brace is a literal, other dollars are themselves', () => {
    expect(args('$${A} $A $$ $5 $$${A}')).toBe('${A} $A $$ $5 $${A}');
  });

  test('inherited properties are not variables', () => {
    expect(check(document({ mcp: ['args: ["${constructor}"]'] }))).toContain('variable constructor is not set');
  });

  test('fill numbers and truth values where nothing else can be meant', () => {
    const text = document({ backend: ['resource_limits:', '  cpu_cores: ${CPUS}'], mcp: ['enabled: ${ON}'] });
    const { spec } = only(text, { environment: { CPUS: '1.5', ON: 'false' } });
    expect([spec.limits.cpuCores, spec.enabled]).toEqual([1.5, false]);
  });

  test('stay references where they are credentials, whether they are set or not', () => {
    const env = only(
      document({
        backend: ['environment: { TD_PASSWORD: "${TD_PASSWORD}" }'],
        mcp: ['env: { DATABASE_URI: "pg://${secret:user}:${DB_PASSWORD}@${HOST}/d", TOKEN: "${X:-}" }'],
      }),
      { environment: { HOST: 'db', DB_PASSWORD: 'hunter2' } },
    ).spec;
    expect(env.environment).toEqual({
      TD_PASSWORD: { kind: 'secret', parts: [{ from: 'environment', name: 'TD_PASSWORD' }] },
    });
    expect(env.mcp.env).toEqual({
      DATABASE_URI: {
        kind: 'secret',
        parts: [
          'pg://',
          { from: 'provider', name: 'user' },
          ':',
          { from: 'environment', name: 'DB_PASSWORD' },
          '@',
          { from: 'environment', name: 'HOST' },
          '/d',
        ],
      },
      TOKEN: { kind: 'literal', value: '' },
    });
    expect(JSON.stringify(env)).not.toContain('hunter2');
  });
});

describe('where a field stands', () => {
  test('fields that are written are found, others lead to what holds them', () => {
    const { locate } = only('name: a\ndocker_backend:\n  base_image: x\n  resource_limits:\n    memory_mb: 64\n');
    const at = (path: string) => {
      const { position, explicit } = locate(path);
      return `${position.line}:${position.column} ${explicit}`;
    };
    expect(at('docker_backend.resource_limits.memory_mb')).toBe('5:16 true');
    expect(at('docker_backend.resource_limits.cpu_cores')).toBe('4:3 false');
    expect(at('docker_backend.volume_mounts[0].source')).toBe('2:1 false');
    expect(at('mcp_server.env["a b"]')).toBe('1:1 false');
  });
});

describe('two files', () => {
  test('may not declare one server twice, and both places are shown', () => {
    const file = (name: string) => ({ file: name, directory: '/', text: document({}) });
    const { diagnostics, servers } = loadDocuments([file('b.yaml'), file('a.yaml')], {
      environment: {},
      strict: false,
    });
    expect(describeDiagnostics(diagnostics)).toBe(
      'a.yaml:1:7 error[duplicate-name] name: two servers are called fs [b.yaml:1:7 first here] (hint: give one of them another name)',
    );
    expect(servers).toHaveLength(1);
  });
});

const users = fileURLToPath(new URL('../../../../shared/compat/loom-teradata-mcp.yaml', import.meta.url));
const own = fileURLToPath(new URL('../../fixtures/spec/loom-users-file.yaml', import.meta.url));

describe.each([
  ['our own file of the same kind', own, [19, 22]],
  ["the file that loom's users have", users, [83, 86]],
])('%s', (_, file, [first, second]) => {
  test.skipIf(!existsSync(file))('loads: one server, one precise error, and three empty documents', () => {
    const text = readFileSync(file, 'utf8');
    const { servers, diagnostics } = loadDocuments([{ file: 'f', directory: '/', text }], {
      environment: {},
      strict: true,
    });
    const findings = diagnostics.filter(({ severity }) => severity !== 'note');
    expect(describeDiagnostics(findings)).toBe(
      `f:${second}:3 error[image-source-conflict] docker_backend.build_config: dockerfile_path and build_config each name an image source; a server has one [f:${first}:3 dockerfile_path is here] (hint: keep one of dockerfile_path, build_config)`,
    );
    expect(servers.map(({ spec }) => [spec.name, spec.image.kind, spec.mcp.tools.include])).toEqual([
      [servers[0]?.spec.name, 'python', ['explain', 'query', 'schema']],
    ]);
  });
});

if (!existsSync(users)) console.log(`skipped: ${users} is not on this machine`);
