import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { kindOfContext, wishOf } from '../../../src/cli/compose/engine-choice.ts';
import { engineSource } from '../../../src/cli/compose/engine-source.ts';
import { thisProgram } from '../../../src/cli/terminal/program.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { noRules } from '../../../src/model/policy.ts';
import type { NamedEngine, ProjectFile } from '../../../src/spec/project-file.ts';
import { emptyFolder } from '../../support/looms.ts';

const home = emptyFolder();
const socket = join(home, 'engine.sock');
const engine = createServer((request, response) => {
  if (request.url === '/version') return response.end(JSON.stringify({ Version: '28.5.0', ApiVersion: '1.47' }));
  response.writeHead(404).end();
}).listen(socket);
afterAll(() => engine.close());

const addContext = (
  name: string,
  meta = JSON.stringify({ Name: name, Endpoints: { docker: { Host: `unix://${socket}` } } }),
) => {
  const folder = join(home, '.docker/contexts/meta', createHash('sha256').update(name).digest('hex'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'meta.json'), meta);
};
addContext('lab');
addContext('both');
addContext('broken', '{');

/** What the clusters of these tests are, and what of their code was loaded. */
const clusters = vi.hoisted(() => ({
  contexts: ['both', 'prod'] as readonly string[],
  current: 'prod' as string | null,
  failure: undefined as Error | undefined,
  loaded: [] as string[],
  made: [] as unknown[],
}));
vi.mock('../../../src/kubernetes/client/find-cluster.ts', () => {
  clusters.loaded.push('find-cluster');
  return {
    contextsOf: async () => {
      if (clusters.failure !== undefined) throw clusters.failure;
      return clusters.contexts;
    },
    findCluster: async ({ context = clusters.current }: { readonly context?: string | null }) => {
      if (context !== null && clusters.contexts.includes(context)) return { context };
      if (context === null && clusters.contexts.length === 0) return null;
      throw new LoomsError('context-not-found', 'no such context');
    },
  };
});
vi.mock('../../../src/kubernetes/client/cluster.ts', () => {
  clusters.loaded.push('cluster');
  return {
    connectCluster: ({ context }: { readonly context: string }) => ({ context, endpoint: 'https://127.0.0.1:6443' }),
  };
});
vi.mock('../../../src/kubernetes/orchestrator.ts', () => {
  clusters.loaded.push('orchestrator');
  return {
    kubernetesOrchestrator: (
      cluster: { readonly context: string },
      _sessions: unknown,
      _ports: unknown,
      { records, ...settings }: { readonly records: object },
    ) => {
      clusters.made.push({ context: cluster.context, ...settings, records: Object.keys(records).sort() });
      return { close: async () => {} };
    },
  };
});

beforeEach(() => {
  Object.assign(clusters, { contexts: ['both', 'prod'], current: 'prod', failure: undefined, loaded: [], made: [] });
});

type Said = {
  readonly host?: string;
  readonly context?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly file?: NamedEngine;
  readonly registry?: string;
};

const warnings: string[] = [];

function source({ host, context, environment = {}, file, registry }: Said) {
  warnings.length = 0;
  const settings = {
    ...{ host, context },
    program: { ...thisProgram(), environment: { HOME: home, XDG_STATE_HOME: home, ...environment } },
  };
  const project: ProjectFile = {
    policy: { rules: noRules, file: 'looms.yaml', lines: {} },
    secretProviders: [],
    ...(file === undefined ? {} : { engine: file }),
    ...(registry === undefined ? {} : { registry }),
  };
  return engineSource(settings, project, () => ({ warn: (text: string) => warnings.push(text) }) as never);
}

const chosen = async (said: Said): Promise<string> => {
  const { engineAddress, engineAttempts } = source(said);
  const address = await engineAddress();
  const { origin } = (await engineAttempts()).find(({ outcome }) => outcome === 'chosen') ?? {};
  return `${address?.replace(socket, 'SOCKET')} by ${origin}`;
};

const failure = async (said: Said): Promise<string> => {
  const error: unknown = await source(said)
    .orchestrator()
    .catch((thrown: unknown) => thrown);
  if (!(error instanceof LoomsError)) throw error;
  return [`${error.code}: ${error.message}`, `hint: ${error.hint}`, ...error.detail].join('\n');
};

const ofCluster: NamedEngine = { kind: 'kubernetes', context: 'prod', at: 'looms.yaml:3' };

// First, since what is loaded stays so.
test('nothing of Kubernetes is loaded for an engine that is surely Docker, and all of it for a cluster', async () => {
  const said: Said[] = [
    { host: `unix://${socket}` },
    { context: 'docker:lab' },
    { environment: { DOCKER_CONTEXT: 'lab' }, file: ofCluster },
    { file: { kind: 'context', context: 'lab', at: 'looms.yaml:2' } },
  ];
  for (const one of said) await (await source(one).orchestrator()).close();
  expect(clusters.loaded).toEqual([]);
  await source({ file: ofCluster }).orchestrator();
  expect(clusters.loaded.toSorted()).toEqual(['cluster', 'find-cluster', 'orchestrator']);
});

describe('which engine', () => {
  test.each<[string, Said, string]>([
    ['a context of Docker', { context: 'lab' }, 'unix://SOCKET by --context'],
    ['a context of kubeconfig', { context: 'prod' }, 'https://127.0.0.1:6443#prod by --context prod'],
    ['docker:NAME', { context: 'docker:both' }, 'unix://SOCKET by --context'],
    ['kubernetes:NAME', { context: 'kubernetes:both' }, 'https://127.0.0.1:6443#both by --context kubernetes:both'],
    ['kubernetes: alone', { context: 'kubernetes:' }, 'https://127.0.0.1:6443#prod by --context kubernetes:'],
    [
      'docker: alone, over the project file',
      { context: 'docker:', environment: { DOCKER_HOST: 'tcp://h:1' }, file: ofCluster },
      'tcp://h:1 by DOCKER_HOST',
    ],
    ['the project file', { file: ofCluster }, 'https://127.0.0.1:6443#prod by looms.yaml:3'],
    [
      'the current context, by the project file',
      { file: { kind: 'kubernetes', at: 'looms.yaml:2' } },
      'https://127.0.0.1:6443#prod by looms.yaml:2',
    ],
    [
      'a context of Docker by the project file',
      { file: { kind: 'context', context: 'lab', at: 'looms.yaml:2' } },
      'unix://SOCKET by looms.yaml:2',
    ],
    [
      'a host by the project file',
      { file: { kind: 'host', host: 'tcp://h:2', at: 'looms.yaml:2' } },
      'tcp://h:2 by looms.yaml:2',
    ],
    [
      'the environment over the project file',
      { environment: { DOCKER_HOST: 'tcp://h:1' }, file: ofCluster },
      'tcp://h:1 by DOCKER_HOST',
    ],
    [
      '--host over all',
      { host: 'tcp://h:3', environment: { DOCKER_CONTEXT: 'lab' }, file: ofCluster },
      'tcp://h:3 by --host',
    ],
    [
      '--context over the environment',
      { context: 'kubernetes:prod', environment: { DOCKER_HOST: 'tcp://h:1' } },
      'https://127.0.0.1:6443#prod by --context kubernetes:prod',
    ],
    [
      'KUBECONFIG does not choose',
      { environment: { KUBECONFIG: '/k', DOCKER_HOST: 'tcp://h:1' } },
      'tcp://h:1 by DOCKER_HOST',
    ],
  ])('%s', async (_, said, expected) => {
    expect(await chosen(said)).toBe(expected);
  });

  test('a cluster is not this machine, no mount hands it over, and it is made with what it needs', async () => {
    const { orchestrator, engineIsLocal, engineAt, engineAttempts } = source({
      file: ofCluster,
      registry: 'r.example/a',
    });
    expect([await engineIsLocal(), await engineAt('/var/run/docker.sock')]).toEqual([false, undefined]);
    expect((await engineAttempts()).map(({ origin, outcome }) => `${origin}: ${outcome}`)).toEqual([
      '--host: not-set',
      '--context: not-set',
      'DOCKER_HOST: not-set',
      'DOCKER_CONTEXT: not-set',
      'looms.yaml:3: chosen',
    ]);
    expect(await orchestrator()).toBe(await orchestrator());
    expect(clusters.made).toEqual([
      {
        context: 'prod',
        registry: 'r.example/a',
        images: { publish: expect.any(Function), close: expect.any(Function) },
        relayImage: 'debian:bookworm-slim',
        records: ['hash', 'keyName', 'makerOf', 'read', 'sign'],
      },
    ]);
  });

  test('the environment that wins over a cluster of the project file is told', async () => {
    const { orchestrator, close } = source({ environment: { DOCKER_CONTEXT: 'lab' }, file: ofCluster });
    await orchestrator();
    await close();
    const message =
      'DOCKER_CONTEXT names the engine, and not the cluster of looms.yaml:3: unset it, or say --context kubernetes:prod';
    expect(warnings).toEqual([{ code: 'engine-not-taken', message }]);
  });
});

describe('what cannot be', () => {
  test.each<[string, Said]>([
    ['both flags', { host: 'tcp://h', context: 'kubernetes:prod' }],
    ['a name of both kinds', { context: 'both' }],
    ['a name of none', { context: 'prd' }],
    ['no such context of kubeconfig', { context: 'kubernetes:lab' }],
    ['no such context of Docker', { context: 'docker:prod' }],
    ['one of the project file', { file: { kind: 'context', context: 'prod', at: 'looms.yaml:2' } }],
    ['a cluster of the project file', { file: { kind: 'kubernetes', context: 'gone', at: 'looms.yaml:2' } }],
    ['in-cluster outside of one', { context: 'kubernetes:in-cluster' }],
  ])('%s', async (_, said) => {
    expect(await failure(said)).toMatchSnapshot();
  });

  test('is told as the one place that was looked at', async () => {
    expect(await source({ context: 'prd' }).engineAttempts()).toEqual([
      {
        origin: 'what was named',
        outcome: 'refused',
        detail:
          'neither Docker nor kubeconfig has a context "prd" (--context); contexts of Docker: default, both, lab; contexts of kubeconfig: both, prod',
      },
    ]);
  });

  test('no current context', async () => {
    Object.assign(clusters, { current: null });
    expect(await failure({ context: 'kubernetes:' })).toMatchSnapshot('one of them');
    Object.assign(clusters, { contexts: [] });
    expect(await failure({ context: 'kubernetes:' })).toMatchSnapshot('none at all');
  });

  test('a kubeconfig that cannot be read stands in the way of no context of Docker', async () => {
    clusters.failure = new LoomsError('usage', 'kubeconfig is no YAML');
    const { orchestrator, close } = source({ context: 'lab' });
    await orchestrator();
    await close();
    const message = expect.stringContaining('kubeconfig cannot be read (kubeconfig is no YAML)');
    expect(warnings).toEqual([{ code: 'kubeconfig-unreadable', message }]);
    expect(await failure({ context: 'prod' })).toContain('usage: kubeconfig is no YAML');
    expect(await failure({ context: 'docker:gone' })).toContain('contexts of kubeconfig: kubeconfig is no YAML');
  });

  test('a broken context of Docker is told to who asks for it, and to nobody else', async () => {
    expect(await failure({ context: 'broken' })).toContain('is no valid JSON');
    expect(await chosen({ context: 'lab' })).toBe('unix://SOCKET by --context');
  });
});

test('Docker’s own context is there without a file, also where kubeconfig has one of its name', () => {
  const known = { docker: ['default'], kubernetes: [] };
  expect(kindOfContext('default', known)).toBe('docker');
  expect(() => kindOfContext('default', { ...known, kubernetes: ['default'] })).toThrow('one of kubeconfig');
});

test('a name with more colons is one of kubeconfig', () => {
  const program = { ...thisProgram(), environment: {} };
  const arn = 'arn:aws:eks:eu-central-1:1234:cluster/prod';
  expect(wishOf({ host: undefined, context: arn, program }, undefined)).toMatchObject({ kind: 'either', context: arn });
  expect(wishOf({ host: undefined, context: `kubernetes:${arn}`, program }, undefined)).toMatchObject({ context: arn });
});
