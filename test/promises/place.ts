import { projectOfRun } from '../support/images.ts';
import { kubectl, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { leastRights } from '../support/least-rights.ts';
import { type Finished, looms, type RunOptions, startLooms } from '../support/looms.ts';
import { testProject } from '../support/test-project.ts';

/** What somebody does to a server past looms, by what drift it is; each leaves the server running or gone. */
export type ByHand = { readonly what: string; readonly change: (server: string) => Promise<void> };

/** An engine of either kind, and what tests do on it past looms. */
export type Place = {
  readonly name: 'Docker' | 'Kubernetes';
  readonly project: string;
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  readonly start: (args: readonly string[], options?: RunOptions) => ReturnType<typeof startLooms>;
  readonly byHand: readonly ByHand[];
  /** Stops a server, so that it is there and does not run. */
  readonly stop: (server: string) => Promise<void>;
  /** Takes a server away. */
  readonly remove: (server: string) => Promise<void>;
  /** Makes something beside the project's servers that is none of looms'. */
  readonly makeForeign: () => Promise<void>;
  /** What tells that foreign thing from one that was touched. */
  readonly foreign: () => Promise<string>;
  /** What runs of servers, by ids that a replacement changes; sorted. */
  readonly ids: (server: string) => Promise<readonly string[]>;
  /** All that the engine tells of the project, as text: no secret may be in it. */
  readonly all: () => Promise<string>;
  readonly clean: () => Promise<void>;
};

export const place = (label: string): Place =>
  kubectlProgram === '' ? docker(label) : kubernetes(projectOfRun(label));

/** The same; on a cluster by a user who may do what deploy/kubernetes/role.yaml says, and nothing else. */
export async function placeOfLeastRights(label: string): Promise<Place> {
  if (kubectlProgram === '') return docker(label);
  const project = projectOfRun(label);
  const { kubeconfig, clean } = await leastRights(project);
  return { ...kubernetes(project, kubeconfig), clean };
}

function docker(label: string): Place {
  const project = testProject(label);
  const foreignName = `${project.name}-foreign`;
  const { docker: engine, container } = project;
  const update = (change: object) => async (server: string) => void (await container(server).update(change));
  return {
    name: 'Docker',
    project: project.name,
    run: project.run,
    start: project.start,
    byHand: [
      { what: 'its memory', change: update({ Memory: 256 * 2 ** 20, MemorySwap: 256 * 2 ** 20 }) },
      { what: 'its CPU', change: update({ NanoCpus: 1.5e9 }) },
      { what: 'its processes', change: update({ PidsLimit: 999 }) },
      { what: 'its restart policy', change: update({ RestartPolicy: { Name: 'always' } }) },
      { what: 'its cores', change: update({ CpusetCpus: '0' }) },
      {
        what: 'a network',
        change: async (server) =>
          void (await engine.getNetwork('bridge').connect({ Container: (await container(server).inspect()).Id })),
      },
      { what: 'its start', change: async (server) => void (await container(server).stop({ t: 0 })) },
      { what: 'all of it', change: async (server) => void (await container(server).remove({ force: true })) },
      {
        what: 'its name',
        change: async (server) => void (await container(server).rename({ name: `${project.name}-x` })),
      },
      { what: 'its pause', change: async (server) => void (await container(server).pause()) },
    ],
    stop: async (server) => void (await container(server).stop({ t: 0 })),
    remove: async (server) => void (await container(server).remove({ force: true })),
    makeForeign: async () => {
      const made = await engine.createContainer({ name: foreignName, Image: 'node:24-slim', Cmd: ['sleep', '600'] });
      await made.start();
    },
    foreign: async () => {
      const { Id, State } = await engine.getContainer(foreignName).inspect();
      return `${Id} ${State.StartedAt} ${State.Status}`;
    },
    ids: async (server) => {
      const filters = { label: [`looms.project=${project.name}`, `looms.server=${server}`, 'looms.role=server'] };
      return (await engine.listContainers({ filters })).map(({ Id }) => Id).sort();
    },
    all: async () => {
      const all = await engine.listContainers({
        all: true,
        filters: { label: [`looms.project=${project.name}`] },
      });
      return JSON.stringify(await Promise.all(all.map(({ Id }) => engine.getContainer(Id).inspect())));
    },
    clean: async () => {
      await engine
        .getContainer(foreignName)
        .remove({ force: true })
        .catch(() => {});
      await project.remove();
    },
  };
}

export function kubernetes(project: string, kubeconfig = process.env.KUBECONFIG ?? ''): Place {
  const namespace = `looms-${project}`;
  const inNamespace = (...args: readonly string[]): Promise<string> => kubectlSays(['-n', namespace, ...args]);
  const patch = (change: object) => (server: string) =>
    inNamespace('patch', 'deployment', `looms-${server}`, '--type=strategic', '-p', JSON.stringify(change)).then(
      () => {},
    );
  const container = (change: object) =>
    patch({ spec: { template: { spec: { containers: [{ name: 'server', ...change }] } } } });
  const of = (args: readonly string[]): string[] => [
    ...[...args, '--project', project],
    // What is kept on this machine is asked of no engine.
    ...(args[0] === 'audit' ? [] : ['--context', 'kubernetes:']),
  ];
  const withCluster = (options: RunOptions = {}): RunOptions => ({
    ...options,
    env: { KUBECONFIG: kubeconfig, ...options.env },
  });
  return {
    name: 'Kubernetes',
    project,
    run: (args, options) => looms(of(args), withCluster(options)),
    start: (args, options) => startLooms(of(args), withCluster(options)),
    byHand: [
      { what: 'its memory', change: container({ resources: { limits: { memory: '256Mi' } } }) },
      { what: 'its CPU', change: container({ resources: { limits: { cpu: '1500m' } } }) },
      { what: 'a variable', change: container({ env: [{ name: 'ADDED', value: 'by hand' }] }) },
      { what: 'its command', change: container({ workingDir: '/tmp' }) },
      { what: 'a label', change: patch({ metadata: { labels: { added: 'by-hand' } } }) },
      { what: 'its replicas', change: patch({ spec: { replicas: 2 } }) },
      { what: 'its start', change: patch({ spec: { replicas: 0 } }) },
      { what: 'its strategy', change: patch({ spec: { minReadySeconds: 1 } }) },
      {
        what: 'what confines it',
        change: container({ securityContext: { readOnlyRootFilesystem: false } }),
      },
      { what: 'all of it', change: (server) => inNamespace('delete', 'deployment', `looms-${server}`).then(() => {}) },
    ],
    stop: patch({ spec: { replicas: 0 } }),
    remove: (server) => inNamespace('delete', 'deployment', `looms-${server}`).then(() => {}),
    makeForeign: async () => void (await inNamespace('create', 'configmap', 'foreign', '--from-literal=a=b')),
    foreign: () => inNamespace('get', 'configmap', 'foreign', '-o', 'yaml'),
    ids: async (server) => {
      const { items } = JSON.parse(await inNamespace('get', 'pods', '-l', `looms.dev/server=${server}`, '-o', 'json'));
      type Pod = { metadata: { uid: string; deletionTimestamp?: string } };
      return (items as Pod[])
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ metadata }) => metadata.uid)
        .sort();
    },
    // Secrets hold secrets: what else there is must not.
    all: async () =>
      (await inNamespace('get', 'deployments,replicasets,pods,configmaps,services,leases,events', '-o', 'yaml')) +
      (await inNamespace('get', 'secrets', '-o', 'custom-columns=NAME:.metadata.name,NOTES:.metadata.annotations')),
    clean: async () => void (await kubectl(['delete', 'namespace', namespace, '--wait=false'])),
  };
}
