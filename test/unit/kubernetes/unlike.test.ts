import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { unlikeOnKubernetes } from '../../../src/kubernetes/objects/unlike.ts';
import type { Where } from '../../../src/kubernetes/objects/where.ts';
import { serverFields } from '../../../src/model/desired.ts';
import type { Choice, Fields } from '../../../src/model/fields.ts';
import { httpServer, type SpecChange, server } from '../../support/planner-world.ts';

const joined = (...parts: readonly string[]): string => parts.filter(Boolean).join('.');

/** All fields of a spec by their paths in a file. */
function paths(fields: Fields, above = ''): string[] {
  return Object.values(fields).flatMap((one) => {
    const at = joined(above, one.path);
    if (one.kind === 'field') return [at];
    if (one.kind === 'group') return paths(one.fields, at);
    const { tagPath, variants }: Choice = one;
    return [joined(at, tagPath), ...Object.values(variants).flatMap((inner) => paths(inner, at))];
  });
}

const isBelow = (path: string, above: string): boolean => path === above || path.startsWith(`${above}.`);

/** The word that docs/kubernetes.md has for each field: how it is on a cluster. */
const words = new Map(
  [
    ...readFileSync(new URL('../../../docs/kubernetes.md', import.meta.url), 'utf8').matchAll(
      /^\| `([\w.]+)` \| (exact|approximate|looms|refused) \|/gm,
    ),
  ].map(([, path, word]) => [path as string, word]),
);

test('docs/kubernetes.md has a word for every field of a spec, and no other has one', () => {
  const all = paths(serverFields);
  expect(all.length).toBeGreaterThan(40);
  expect(all.filter((path) => ![...words.keys()].some((known) => isBelow(path, known)))).toEqual([]);
  expect([...words.keys()].filter((known) => !all.some((path) => isBelow(path, known)))).toEqual([]);
});

/** Where objects are written that no cluster was asked for. */
const exported: Where = { registry: false, keptByLooms: false, leadsByName: undefined };
const spec = (change: SpecChange) => server('a', { mcp: { command: 'run' }, ...change }).spec;

const told = (change: SpecChange, where = exported) =>
  unlikeOnKubernetes(spec(change), where).map(({ kind, path }) => `${kind} ${path.split('.').at(-1)}`);

/** Whose command stands in its image only. */
const silent = (one: ReturnType<typeof server>) => {
  const { command: _, ...mcp } = one.spec.mcp;
  return { ...one, spec: { ...one.spec, mcp } };
};

/** What is told of a spec with nothing but defaults. */
const usual = ['approximate tmpfs', 'approximate mode', 'approximate environment'];

const cases: readonly (readonly [string, SpecChange, readonly string[]])[] = [
  ['defaults', {}, []],
  ['a built image', { image: { kind: 'dockerfile', path: 'Dockerfile' } }, ['refused dockerfile_path']],
  ['a variant of a processor', { platform: 'linux/arm/v7' }, ['approximate platform']],
  ['a host name with a dot', { hostname: 'a.b' }, ['refused hostname']],
  ['a label that no label can hold', { labels: { note: 'two words' } }, ['approximate labels']],
  ['a key of Kubernetes’ own', { labels: { 'app.kubernetes.io/name': 'x' } }, ['refused labels']],
  [
    'a folder of a host',
    { mounts: [{ type: 'bind', source: '/srv', target: '/srv', readOnly: true }] },
    ['refused volume_mounts'],
  ],
  [
    'a named volume',
    { mounts: [{ type: 'volume', source: 'v', target: '/v', readOnly: false }] },
    ['approximate volume_mounts'],
  ],
  ['a limit of storage', { limits: { storageMiB: 100 } }, ['approximate storage_mb']],
  ['a limit of processes that is written', { limits: { pidsLimit: 40 } }, ['approximate pids_limit']],
  ['files that are kept', { lifecycle: { preserve: ['/state'] } }, ['refused preserve']],
  ['no restart', { lifecycle: { restart: 'no' } }, ['approximate restart']],
  ['a host by name', { network: { egress: [{ host: 'db.example', port: 5432, tls: false }] } }, ['approximate egress']],
  ['a host by address', { network: { egress: [{ host: 'db', port: 5432, tls: false, address: '10.0.0.1' }] } }, []],
  ['a filter of tools', { mcp: { command: 'run', tools: { exclude: ['x'] } } }, ['approximate exclude']],
  ['a rotation', { lifecycle: { maxExecutions: 5 } }, ['approximate max_executions']],
  ['a working directory', { workingDir: '/srv' }, ['approximate working_dir']],
  [
    'a volume that no claim can be called',
    { mounts: [{ type: 'volume', source: 'My_Data', target: '/v', readOnly: true }] },
    ['refused volume_mounts', 'approximate volume_mounts'],
  ],
  [
    'a key of Kubernetes’ own behind one for an annotation',
    { labels: { note: 'two words', 'k8s.io/x': 'y' } },
    ['approximate labels', 'refused labels'],
  ],
  [
    'a name that no pod may have',
    { network: { egress: [{ host: 'my_db', port: 5432, tls: false, address: '10.0.0.1' }] } },
    ['refused egress'],
  ],
  ['learning', { network: { egressLearn: true } }, ['refused egress_learn']],
  ['a user by name', { security: { user: 'node' } }, ['refused user']],
  ['root', { security: { user: '0:0' } }, ['approximate user']],
  ['a variable of looms', { mcp: { command: 'run', envFrom: ['TOKEN'] } }, ['approximate env_from']],
];

/** As files have it: the planner's usual spec has no limit of processes. */
const limited = (change: SpecChange): SpecChange => ({ ...change, limits: { pidsLimit: 256, ...change.limits } });

test.each(cases)('of %s it is told what is otherwise', (_, change, also) => {
  expect(told(limited(change)).sort()).toEqual([...usual, ...also].sort());
});

/** What the other cases have no value for. */
const more: readonly SpecChange[] = [
  { image: { kind: 'node', packages: ['a@1.0.0'] } },
  { image: { kind: 'build', run: ['true'] } },
  {
    limits: { executionTimeoutSeconds: 5 },
    lifecycle: {
      healthCheckIntervalSeconds: 5,
      autoCleanup: false,
      rotationIntervalHours: 1,
      rotateOnImageChange: true,
    },
    mcp: {
      command: 'run',
      tools: { include: ['x'], exclude: [] },
      env: { A: { kind: 'secret', parts: [{ from: 'environment', name: 'A' }] } },
    },
    scale: { min: 0, max: 2, sessionsPerReplica: 1, idleSeconds: 60 },
  },
];

test('what is told of a field is what the docs call it, and what they call otherwise is told of some value', () => {
  const changes = [...cases.map(([, change]) => limited(change)), ...more];
  const all = [
    ...changes.map(spec),
    httpServer('a', { lifecycle: { drainSeconds: 5 } }).spec,
    silent(server('a')).spec,
  ];
  const told = all.flatMap((one) => unlikeOnKubernetes(one, exported));
  const pathsOf = (kind: 'approximate' | 'refused') =>
    new Set(told.flatMap((one) => (one.kind === kind ? [one.path] : [])));
  const called = (...of: readonly (string | undefined)[]) =>
    [...words].flatMap(([path, word]) => (of.includes(word) ? [path] : []));
  expect([...pathsOf('approximate')].filter((path) => !called('approximate', 'looms').includes(path))).toEqual([]);
  expect(called('looms').filter((path) => !pathsOf('approximate').has(path))).toEqual([]);
  expect(called('refused').filter((path) => !pathsOf('refused').has(path))).toEqual([]);
  // What a package's image is made of is told with the kind of the server.
  const ofPackages = ['docker_backend.python', 'docker_backend.node'];
  expect(called('approximate').filter((path) => !told.some((one) => one.path === path))).toEqual(ofPackages);
});

describe('hosts by name', () => {
  const here: Where = { registry: false, keptByLooms: true, leadsByName: true };
  const listing = (host: string, more: { readonly mode?: 'bridge' } = {}): SpecChange => ({
    network: { egress: [{ host, port: 5432, tls: false }], ...more },
  });
  const ofEgress = (change: SpecChange, where: Where) =>
    unlikeOnKubernetes(spec(change), where).filter(({ path }) => path.endsWith('.egress'));

  test('are refused where the cluster has no policies for them, with what would help', () => {
    const nowhere = { ...here, leadsByName: false };
    expect(ofEgress(listing('db.example'), nowhere)).toEqual([
      {
        kind: 'refused',
        path: 'docker_backend.network.egress',
        message: 'db.example is a name, and the policies of this cluster know addresses',
        hint: "write { host: db.example, address: ADDRESS, port: 5432 }; names are let out by Cilium alone, where that is the cluster's network plugin",
      },
    ]);
    expect(ofEgress(listing('*.example.com'), nowhere)).toMatchObject([
      { hint: expect.stringContaining('write each host below it as { host: NAME, address: ADDRESS, port: PORT }') },
    ]);
    expect(ofEgress(listing('db.example', { mode: 'bridge' }), nowhere)).toEqual([]);
  });

  test('are told as what Cilium lets out where it has them, and as what a cluster needs for what is exported', () => {
    expect(ofEgress(listing('db.example'), here)).toMatchObject([
      { kind: 'approximate', message: expect.not.stringContaining('needs') },
    ]);
    expect(ofEgress(listing('db.example'), exported)).toMatchObject([
      {
        kind: 'approximate',
        message: expect.stringContaining('by a policy of Cilium, which the cluster needs for it'),
      },
    ]);
  });

  test('are refused where no pod could ask for them or no policy leads to them: short ones, and those of the cluster', () => {
    const refused = (host: string) =>
      ofEgress(listing(host), here).flatMap(({ kind, message }) => (kind === 'refused' ? [message] : []));
    expect(refused('db')).toEqual(['db is no whole name, and pods ask for names as they stand']);
    expect(refused('db.team.svc')).toEqual([expect.stringContaining('a name of the cluster itself')]);
    expect(refused('db.team.svc.cluster.local')).toEqual([expect.stringContaining('a name of the cluster itself')]);
    expect(refused('db.svc.example')).toEqual([]);
  });
});

test('a command that only the image knows is refused for a process, and not for a server over HTTP', () => {
  const refused = ({ spec }: ReturnType<typeof server>) =>
    unlikeOnKubernetes(spec, { ...exported, registry: true }).flatMap(({ kind, path }) =>
      kind === 'refused' ? [path] : [],
    );
  expect(refused(silent(server('a')))).toEqual(['mcp_server.command']);
  expect(refused(silent(httpServer('a')))).toEqual([]);
});
