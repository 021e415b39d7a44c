import type { Observed } from '../../src/docker/model/observed.ts';
import type { ImageFacts } from '../../src/docker/model/shape.ts';
import { egressSubnets, type WayOut, wayOutOf } from '../../src/docker/model/way-out.ts';
import { makePlan, type PlanInput } from '../../src/docker/reconcile/plan.ts';
import type { DockerPlan } from '../../src/docker/steps.ts';
import type { DeclaredServer, DesiredServer } from '../../src/model/desired.ts';
import { asImageId, asProjectName, asServerName } from '../../src/model/ids.ts';
import { recordSpec, specHash } from '../../src/spec/record/record.ts';

export const project = asProjectName('test');

/** Changes to a spec, one level deep into its groups. */
export type SpecChange = {
  readonly [K in keyof DesiredServer]?: DesiredServer[K] extends object ? Partial<DesiredServer[K]> : DesiredServer[K];
};

const baseSpec: DesiredServer = {
  name: asServerName('a'),
  enabled: true,
  replicas: 1,
  image: { kind: 'image', ref: 'example:1' },
  pullPolicy: 'missing',
  hostname: '',
  environment: {},
  mounts: [],
  limits: { cpuCores: 1, memoryMiB: 512, pidsLimit: 100, executionTimeoutSeconds: 300 },
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
    command: 'serve',
    args: [],
    env: {},
    envFrom: [],
    timeoutSeconds: 30,
    protocol: 'legacy',
    tools: { exclude: [] },
  },
};

/** A server as a file would declare it: the defaults of the spec, changed where a test needs it. */
export function server(name: string, change: SpecChange = {}): DeclaredServer {
  const groups = Object.entries(change).map(([key, value]) => {
    const base = baseSpec[key as keyof DesiredServer];
    const merges = typeof base === 'object' && !Array.isArray(base) && key !== 'image';
    return [key, merges ? { ...base, ...(value as object) } : value];
  });
  const spec: DesiredServer = { ...baseSpec, ...Object.fromEntries(groups), name: asServerName(name) };
  const ref = spec.image.kind === 'image' ? spec.image.ref : `looms/${spec.image.kind}:0`;
  const image =
    spec.image.kind === 'image'
      ? ({ kind: 'pulled', ref } as const)
      : ({ kind: 'built', ref, base: undefined } as const);
  return { spec, image, hash: specHash(spec, ref), source: { file: 'mcp.yaml', line: 1, directory: '/specs' } };
}

export const httpServer = (name: string, change: SpecChange = {}): DeclaredServer =>
  server(name, { ...change, mcp: { ...change.mcp, transport: { kind: 'streamable-http', port: 3000, path: '/mcp' } } });

export const image = (ref: string, id = `sha256:${ref}`): ImageFacts => ({
  id: asImageId(id),
  ref,
  digests: [],
  entrypoint: [],
  command: ['run'],
  env: { PATH: '/bin' },
  workingDir: '',
  user: '',
  labels: {},
  architecture: 'amd64',
  hasShell: true,
});

const relayImage = 'relay:1';
const forwarderImage = 'forwarder:1';

/** An engine with nothing on it but images. */
export const emptyEngine = (change: Partial<Observed> = {}): Observed => ({
  project,
  engine: {
    id: 'ENGINE',
    name: 'test',
    kind: 'docker',
    version: '28.0.0',
    apiVersion: '1.48',
    os: 'linux',
    architecture: 'amd64',
    endpoint: 'unix:///test.sock',
    storageDriver: 'overlay2',
    canLimitStorage: false,
    canLimitSwap: true,
    canLimitProcesses: true,
    canHideHost: true,
    securityModules: ['seccomp'],
    stateFolder: '/srv/engine',
    cpus: 2,
    memoryBytes: 2 ** 34,
  },
  now: 1_000_000,
  containers: [],
  history: [],
  foreign: [],
  networks: [],
  subnets: [],
  volumes: [],
  images: {
    'example:1': image('example:1'),
    'example:2': image('example:2'),
    [relayImage]: image(relayImage),
    [forwarderImage]: image(forwarderImage),
  },
  registry: {},
  ...change,
});

export function plan(
  desired: readonly DeclaredServer[],
  observed: Observed,
  change: Partial<PlanInput> = {},
): DockerPlan {
  return makePlan({
    project,
    desired,
    observed,
    undesired: 'warn',
    executions: new Map(),
    replace: new Set(),
    keepFailed: false,
    keep: 3,
    relayImage,
    forwarderImage,
    managedBy: 'looms/0.0.0',
    recordSpec: (one) => recordSpec(one.spec, one.image.ref),
    ...change,
  });
}

/** The way out of a server that is alone in its plan. */
export const wayOf = (spec: DesiredServer, observed: Observed): WayOut | undefined =>
  wayOutOf(spec, observed, egressSubnets(observed, [spec]));
