import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import Docker from 'dockerode';
import { discoverEndpoint } from '../../src/docker/engine/connection/discovery.ts';
import type { Endpoint } from '../../src/docker/engine/connection/endpoint.ts';
import { connectDocker } from '../../src/docker/engine/engine.ts';
import { label } from '../../src/docker/model/labels.ts';
import type { ContainerShape, ImageFacts } from '../../src/docker/model/shape.ts';
import type { CreateContainer, Engine, ExecRequest } from '../../src/docker/port.ts';
import { asProjectName, type ContainerId, type ProjectName } from '../../src/model/ids.ts';
import { testLabel } from './images.ts';
import { unsignedRecords } from './unsigned-records.ts';

export const testImage = 'debian:bookworm-slim';

/** A hardened container as looms makes them, idle, with nothing special. */
export const hardenedShape = (facts: ImageFacts, changes: Partial<ContainerShape> = {}): ContainerShape => ({
  imageId: facts.id,
  entrypoint: ['sleep'],
  command: ['infinity'],
  env: {},
  user: '1000:1000',
  workingDir: '/tmp',
  hostname: '',
  mounts: [],
  tmpfs: { '/tmp': { sizeBytes: 16 * 1024 * 1024, exec: false, mode: '1777' } },
  networks: [],
  sysctls: {},
  ports: [],
  memoryBytes: 64 * 1024 * 1024,
  memorySwapBytes: 64 * 1024 * 1024,
  nanoCpus: 500_000_000,
  pidsLimit: 50,
  storageBytes: null,
  restart: 'no',
  capAdd: [],
  capDrop: ['ALL'],
  noNewPrivileges: true,
  securityOptions: [],
  readOnlyRoot: true,
  privileged: false,
  pidMode: '',
  ipcMode: '',
  devices: [],
  extraHosts: [],
  dns: [],
  dnsOptions: [],
  init: true,
  openStdin: false,
  labels: {},
  otherSettings: [],
  ...changes,
});

export type EngineBench = {
  readonly engine: Engine;
  /** Past our adapter, for looking at what it did and for changes "by hand". */
  readonly docker: Docker;
  readonly endpoint: Endpoint;
  readonly facts: ImageFacts;
  readonly project: ProjectName;
  /** Labels that everything of this bench carries. */
  readonly labels: Readonly<Record<string, string>>;
  create(server: string, changes?: Partial<ContainerShape>, more?: Partial<CreateContainer>): Promise<ContainerId>;
  /** Creates and starts. */
  run(server: string, changes?: Partial<ContainerShape>, more?: Partial<CreateContainer>): Promise<ContainerId>;
  /** Runs a command to its end. */
  exec(
    id: ContainerId,
    argv: readonly string[],
    more?: Partial<ExecRequest>,
  ): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Removes all of the bench's project and ends the connection. */
  close(): Promise<void>;
};

const textOf = async (stream: AsyncIterable<Buffer | string>): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
};

/** Removes every container, network and volume that carries the label `key=value`. */
export async function removeLabelled(docker: Docker, key: string, value: string): Promise<void> {
  const filters = { label: [`${key}=${value}`] };
  for (const { Id: id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(id).remove({ force: true, v: true });
  }
  for (const { Id: id } of await docker.listNetworks({ filters })) await docker.getNetwork(id).remove();
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  for (const { Name: name } of volumes ?? []) await docker.getVolume(name).remove();
}

/** The engine of this machine, and a project of its own for the test file `name`. */
export async function engineBench(name: string): Promise<EngineBench> {
  const discovery = { environment: process.env, homeDirectory: homedir(), platform: process.platform };
  const { endpoint } = await discoverEndpoint(discovery);
  const engine = await connectDocker(endpoint, { records: unsignedRecords(), environment: process.env });
  const docker = new Docker();
  const project = asProjectName(`t-${name}-${randomBytes(3).toString('hex')}`);
  const labels = { 'looms.test': testLabel(name), [label.project]: project };
  const facts = await engine.findImage(testImage);
  if (facts === null) throw new Error(`the engine has no ${testImage}: run npm run quickstart once`);
  const create: EngineBench['create'] = (server, changes = {}, more = {}) =>
    engine.createContainer({
      name: `looms-${project}-${server}`,
      shape: hardenedShape(facts, changes),
      ownLabels: { ...labels, [label.server]: server, [label.role]: 'server', [label.generation]: '1' },
      ownTargets: [],
      ...more,
    });
  return {
    engine,
    docker,
    endpoint,
    facts,
    project,
    labels,
    create,
    async run(server, changes, more) {
      const id = await create(server, changes, more);
      await engine.startContainer(id);
      return id;
    },
    async exec(id, argv, more = {}) {
      const session = await engine.exec(id, { argv, ...more });
      session.stdin.end();
      const [stdout, stderr] = await Promise.all([textOf(session.stdout), textOf(session.stderr)]);
      return { code: (await session.ended).exitCode, stdout, stderr };
    },
    async close() {
      await removeLabelled(docker, label.project, project);
      await engine.close();
    },
  };
}
