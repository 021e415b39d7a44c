import Docker from 'dockerode';
import { projectOfRun } from './images.ts';
import { type Finished, looms, type RunOptions, startLooms } from './looms.ts';
import { removeAll } from './remove-all.ts';

/** `--project` belongs to all commands but these. */
const knowsProjects = ([command, more]: readonly string[]): boolean =>
  command !== 'validate' && !(command === 'audit' && more === 'verify');

/** A project of its own on the real engine, worked on by the built program and looked at past it. */
export type TestProject = {
  readonly name: string;
  readonly docker: Docker;
  /** Runs `looms ARGS --project NAME`. */
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Finished>;
  readonly start: (args: readonly string[], options?: RunOptions) => ReturnType<typeof startLooms>;
  /** `apply -f - --yes` of a text, with more flags. */
  readonly apply: (yaml: string, flags?: readonly string[], options?: RunOptions) => Promise<Finished>;
  /** `diff -f - --json` of a text. */
  readonly diff: (yaml: string, flags?: readonly string[]) => Promise<{ code: number | null; plan: PlanJson }>;
  readonly container: (server: string) => Docker.Container;
  readonly idOf: (server: string) => Promise<string>;
  /** Names of all containers of the project, support included, records left out, without the project's prefix; sorted. */
  readonly names: () => Promise<string[]>;
  /** `fs.h1 replaced`, a line a record of the project; sorted. */
  readonly records: () => Promise<string[]>;
  /** Names of the project's networks and volumes; sorted. */
  readonly networks: () => Promise<string[]>;
  /**
   * Those that a command left, but for what it says that the engine keeps: Engine 20.10 counts endpoints of containers that are gone
   * now and then, until it is restarted.
   */
  readonly networksLeftBy: (told: Finished) => Promise<string[]>;
  readonly volumes: () => Promise<string[]>;
  /** Whether something on the engine is the project's, by its labels or its name. */
  readonly isOurs: (name: string, labels: Readonly<Record<string, string>> | null | undefined) => boolean;
  /** Removes all that carries the project's label or its name. */
  readonly remove: () => Promise<void>;
};

type Reason = { readonly kind: string; readonly fields?: readonly { path: string; from: string; to: string }[] };

/** What tests look at of a plan in JSON; schemas/plan.schema.json has all of it. */
export type PlanJson = {
  readonly changes: readonly {
    readonly server: string;
    readonly action: string;
    readonly order?: string;
    readonly why?: unknown;
    readonly reasons?: readonly Reason[];
  }[];
  readonly support: readonly { readonly kind: string; readonly action: string }[];
  readonly steps: readonly { readonly id: string; readonly op: string; readonly server?: string }[];
  readonly drift: readonly { readonly server: string; readonly fields: readonly { path: string }[] }[];
  readonly rotations: readonly { readonly server: string }[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
};

/** `server: action reason(path, …) …`, a line a server that is not in sync. */
export const changesAsText = (plan: PlanJson): string[] =>
  plan.changes
    .filter(({ action }) => action !== 'unchanged')
    .map(({ server, action, order, reasons = [] }) => {
      const why = reasons.map(({ kind, fields }) =>
        fields ? `${kind}(${fields.map(({ path }) => path).join(', ')})` : kind,
      );
      return [`${server}: ${action}`, ...(order === undefined ? [] : [order]), ...why].join(' ');
    });

/** A new project; `label` says in its name which test it is of. */
export function testProject(label: string): TestProject {
  const name = projectOfRun(label);
  const docker = new Docker();
  const filters = { label: [`looms.project=${name}`] };
  const full = (args: readonly string[]): string[] => [...args, ...(knowsProjects(args) ? ['--project', name] : [])];
  const run: TestProject['run'] = (args, options = {}) => looms(full(args), options);
  const networks = async () => (await docker.listNetworks({ filters })).map((network) => network.Name).sort();
  const volumes = async () =>
    ((await docker.listVolumes({ filters })).Volumes ?? []).map((volume) => volume.Name).sort();
  // By its name too: what looms failed to label must not outlive the test that shows it.
  const isOurs = (text: string, labels: Readonly<Record<string, string>> | null | undefined): boolean =>
    labels?.['looms.project'] === name || text.includes(name);
  const isRecord = ({ Labels }: Docker.ContainerInfo): boolean => Labels['looms.role'] === 'history';
  const shortName = ({ Names }: Docker.ContainerInfo): string =>
    (Names[0] ?? '').replace(`/looms-${name}`, '').replace(/^-/, '');
  const container = (server: string) => docker.getContainer(`looms-${name}-${server}`);
  return {
    name,
    docker,
    run,
    start: (args, options = {}) => startLooms(full(args), options),
    apply: (yaml, flags = [], options = {}) =>
      run(['apply', '-f', '-', '--yes', ...flags], { ...options, stdin: yaml }),
    diff: async (yaml, flags = []) => {
      const { code, stdout, stderr } = await run(['diff', '-f', '-', '--json', ...flags], { stdin: yaml });
      if (code !== 0 && code !== 2) throw new Error(`diff ended with ${code}: ${stderr.slice(0, 2000)}`);
      return { code, plan: JSON.parse(stdout) as PlanJson };
    },
    container,
    idOf: async (server) => (await container(server).inspect()).Id,
    names: async () => {
      const all = await docker.listContainers({ all: true, filters });
      return all
        .filter((one) => !isRecord(one))
        .map(shortName)
        .sort();
    },
    records: async () => {
      const all = await docker.listContainers({ all: true, filters });
      return all
        .filter(isRecord)
        .map((one) => `${shortName(one)} ${one.Labels['looms.outcome']}`)
        .sort();
    },
    networks,
    networksLeftBy: async ({ stdout }) =>
      (await networks()).filter((name) => !stdout.includes(`network ${name} stays: the engine still counts endpoints`)),
    volumes,
    isOurs,
    remove: () => removeAll(docker, isOurs),
  };
}
