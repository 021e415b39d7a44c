import fc from 'fast-check';
import { overlaps } from '../../../src/docker/model/resolve-shape.ts';
import type { DesiredServer, EgressTarget, Env, EnvValue, ImageSource, Mount } from '../../../src/model/desired.ts';
import { asServerName } from '../../../src/model/ids.ts';

/** Texts that are hard to write in YAML, and those with dollars and braces. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.string({
    unit: fc.constantFrom('$', '{', '}', ':', '-', '#', ' ', '\n', "'", '"', 'a', '1'),
    minLength: 1,
    maxLength: 8,
  }),
  fc.constantFrom(
    'true',
    'null',
    '~',
    '1.0',
    '0x1F',
    '${A}',
    '$${A}',
    '<<',
    '*a',
    '&a',
    '!t',
    'a: b',
    '- a',
    '2026-07-28',
    'a\u0001\u007f\ufffd',
    ' \n',
    '\u2028',
    '\u0085',
  ),
);
const line = text.map((value) => value.replaceAll(/\s/g, '_'));
const trimmed = fc.stringMatching(/^[a-z@][a-z0-9@/=.-]{0,15}$/);
const variableName = fc.constantFrom('A', 'HOST', 'PATH_X', 'LOG_LEVEL', 'PORT');
const credentialName = fc.constantFrom('API_KEY', 'TOKEN', 'DB_PASSWORD');
const absolute = fc.stringMatching(/^\/[a-m]{1,4}(?:\/[a-m0-9]{1,4}){0,2}$/);
const file = fc.stringMatching(/^[a-z]{1,6}(?:\/[a-z]{1,6}\.txt)?$/);
const optional = <K extends string, T>(key: K, value: fc.Arbitrary<T>): fc.Arbitrary<{ [P in K]?: T }> =>
  fc.option(value, { nil: undefined }).map((one) => (one === undefined ? {} : ({ [key]: one } as { [P in K]?: T })));
const sorted = <T>(record: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
const set = (values: fc.Arbitrary<string>) => fc.uniqueArray(values, { maxLength: 3 }).map((list) => list.toSorted());

const literal = text.map((value): EnvValue => ({ kind: 'literal', value }));
const secret = fc.tuple(fc.constantFrom('', 'a', 'x:y'), fc.constantFrom('token', 'td.uri'), credentialName).map(
  ([before, name, variable]): EnvValue => ({
    kind: 'secret',
    parts: [
      ...(before === '' ? [] : [before]),
      { from: 'provider', name },
      '/',
      { from: 'environment', name: variable },
    ],
  }),
);
const env: fc.Arbitrary<Env> = fc
  .tuple(
    fc.dictionary(variableName, fc.oneof(literal, secret)),
    fc.dictionary(credentialName, fc.oneof(literal, secret)),
  )
  .map(([plain, credentials]) => sorted({ ...plain, ...credentials }));

const ref = fc.constantFrom('debian:12', 'python:3.13-slim', 'node:22-slim', 'ghcr.io/a/b@sha256:'.padEnd(83, '0'));
const packages = fc.array(trimmed, { maxLength: 3 });
const filled = fc.array(trimmed, { minLength: 1, maxLength: 3 });
const image: fc.Arbitrary<ImageSource> = fc.oneof(
  ref.map((one) => ({ kind: 'image' as const, ref: one })),
  file.map((path) => ({ kind: 'dockerfile' as const, path })),
  fc
    .tuple(ref, filled, fc.boolean(), optional('requirementsFile', file), optional('virtualEnv', absolute))
    .map(([base, names, pipCache, ...rest]) => ({
      kind: 'python' as const,
      base,
      packages: names,
      pipCache,
      ...rest[0],
      ...rest[1],
    })),
  fc.tuple(ref, packages, fc.boolean(), file).map(([base, names, npmCache, packageJsonFile]) => ({
    kind: 'node' as const,
    base,
    packages: names,
    npmCache,
    packageJsonFile,
  })),
  fc
    .tuple(
      ref,
      fc.array(
        text.filter((one) => one.trimEnd() === one),
        { maxLength: 3 },
      ),
      fc.array(fc.record({ source: file, destination: absolute }), { maxLength: 2 }),
      fc.dictionary(variableName, text),
      optional('workdir', absolute),
      optional('caCertificates', file),
    )
    .map(([from, run, copy, variables, ...rest]) => ({
      kind: 'build' as const,
      from,
      run,
      copy,
      env: sorted(variables),
      ...rest[0],
      ...rest[1],
    })),
);

const mounts = fc
  .uniqueArray(
    fc.tuple(
      absolute,
      fc.oneof(
        fc.stringMatching(/^\/srv\/[a-z]{1,5}$/).map((source) => ({ type: 'bind' as const, source })),
        fc.stringMatching(/^[a-z][a-z0-9_.-]{0,6}$/).map((source) => ({ type: 'volume' as const, source })),
      ),
      fc.boolean(),
    ),
    { selector: ([target]) => target, maxLength: 3 },
  )
  .map((list) =>
    list
      .map(([target, source, readOnly]): Mount => ({ ...source, target, readOnly }))
      .toSorted((a, b) => (a.target < b.target ? -1 : 1)),
  );

const count = (max: number) => fc.integer({ min: 1, max });

/** Hosts as a spec lists them: by name or with an address, with the ports of TLS told apart or said so. */
const egress: fc.Arbitrary<readonly EgressTarget[]> = fc
  .uniqueArray(
    fc.oneof(
      fc.record(
        {
          host: fc.constantFrom('db', 'db.example.com', 'a-1.b_2.example'),
          port: fc.constantFrom(443, 5432, 65535),
          tls: fc.boolean(),
          address: fc.ipV4().filter((address) => !/^(?:0|127|22[4-9]|2[3-5]\d)\.|^169\.254\./.test(address)),
        },
        { requiredKeys: ['host', 'port', 'tls'] },
      ),
      fc
        .constantFrom('10.1.2.3', '192.168.7.254')
        .map((address) => ({ host: address, port: 443, tls: false, address })),
      fc.record({
        host: fc.constant('*.example.com'),
        port: fc.constantFrom(443, 9443),
        tls: fc.constant(true),
      }),
    ),
    { selector: ({ host, port }) => `${host}:${port}`, maxLength: 4 },
  )
  .map((targets) => targets.toSorted((a, b) => (a.host === b.host ? a.port - b.port : a.host < b.host ? -1 : 1)));

/** Servers as `loadDocuments` makes them: sorted, valid, with texts that are hard to write in YAML. */
/** Whether files at a path are the container's own. */
const isOwn =
  (mounts: readonly Mount[], tmpfs: object) =>
  (path: string): boolean =>
    ![...mounts.map(({ target }) => target), ...Object.keys(tmpfs)].some((folder) => overlaps(path, folder));

export const desiredServers: fc.Arbitrary<DesiredServer> = fc
  .tuple(
    fc.record({
      name: fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/).map(asServerName),
      enabled: fc.boolean(),
      replicas: count(100),
      image,
      pullPolicy: fc.constantFrom('missing' as const, 'always' as const, 'never' as const),
      hostname: fc.constantFrom('', 'files', 'Files-1.example'),
      environment: env,
      mounts,
      network: fc.oneof(
        fc.record({
          mode: fc.constantFrom('isolated' as const, 'bridge' as const),
          egress: fc.constant([]),
          egressLearn: fc.constant(false),
        }),
        fc.record({ mode: fc.constant('isolated' as const), egress, egressLearn: fc.boolean() }),
      ),
      labels: fc.dictionary(fc.constantFrom('team', 'x-y', 'a.b'), text).map(sorted),
    }),
    fc.record({
      executionTimeoutSeconds: count(86400),
      cpuCores: fc.constantFrom(0.5, 1, 2.25),
      memoryMiB: fc.integer({ min: 6, max: 9999 }),
      pidsLimit: count(1000),
    }),
    optional('storageMiB', count(1000)),
    fc.record({
      user: fc.constantFrom('1000:1000', '0', 'nobody'),
      readOnlyRoot: fc.boolean(),
      capDrop: fc.constantFrom(['ALL'], [], ['KILL']),
      capAdd: fc.constantFrom([], ['CHOWN', 'KILL']),
      noNewPrivileges: fc.boolean(),
      tmpfs: fc.constantFrom({}, { '/tmp': '64m' }, { '/tmp': '1g', '/x/tmp': '4096' }),
    }),
    fc
      .tuple(
        fc.record({
          healthCheckIntervalSeconds: count(100),
          autoCleanup: fc.boolean(),
          drainSeconds: fc.nat(100),
          rotateOnImageChange: fc.boolean(),
          preserve: set(absolute),
          restart: fc.constantFrom('unless-stopped' as const, 'no' as const),
        }),
        optional('rotationIntervalHours', fc.constantFrom(0.5, 24)),
        optional('maxExecutions', count(1000)),
      )
      .map(([base, hours, executions]) => ({ ...base, ...hours, ...executions })),
    fc
      .tuple(
        fc.record({
          transport: fc.oneof(
            fc.constant({ kind: 'stdio' as const }),
            fc.record({
              kind: fc.constantFrom('streamable-http' as const, 'sse' as const),
              port: count(65535),
              path: fc.constantFrom('/mcp', '/sse', '/${x}'),
            }),
          ),
          args: fc.array(text, { maxLength: 3 }),
          env,
          envFrom: set(variableName),
          timeoutSeconds: count(3600),
          protocol: fc.constantFrom('legacy' as const, 'auto' as const, '2026-07-28' as const),
          tools: fc
            .tuple(optional('include', set(line)), set(line))
            .map(([include, exclude]) => ({ ...include, exclude })),
        }),
        optional('command', text),
      )
      .map(([base, command]) => ({ ...base, ...command })),
    optional('description', text),
    optional('platform', fc.constant('linux/arm64')),
    optional('workingDir', absolute),
    optional('entrypoint', fc.array(text, { minLength: 1, maxLength: 2 })),
    optional(
      'scale',
      fc
        .record({ min: fc.nat(5), more: fc.nat(5), sessionsPerReplica: count(20), idleSeconds: count(600) })
        .map(({ min, more, ...others }) => ({ min, max: Math.max(1, min + more), ...others })),
    ),
  )
  .map(([base, limits, storage, security, lifecycle, mcp, ...rest]) => ({
    ...base,
    limits: { ...limits, ...storage },
    security: {
      ...security,
      tmpfs: Object.fromEntries(
        Object.entries(security.tmpfs).filter(([path]) => !base.mounts.some(({ target }) => target === path)),
      ) as Record<string, string>,
    },
    lifecycle: {
      ...lifecycle,
      preserve: security.readOnlyRoot ? [] : lifecycle.preserve.filter(isOwn(base.mounts, security.tmpfs)),
    },
    mcp,
    ...rest[0],
    ...rest[1],
    ...rest[2],
    ...rest[3],
    ...rest[4],
    ...('scale' in rest[4] ? { replicas: 1 } : {}),
  }));
