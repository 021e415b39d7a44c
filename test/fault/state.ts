import { buffer } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';

/** What a project is on the engine, as text lines that can be compared; and what should not be there. */
export type ProjectState = {
  readonly lines: readonly string[];
  /** Containers, networks and volumes, by name. */
  readonly names: readonly string[];
  /** Servers with more than one container, revisions with more than one record, networks that are there more than once. */
  readonly duplicates: readonly string[];
};

/** Differs from run to run without meaning anything: numbers, of which one that was given up leaves a gap, and ids. */
const unstable = new Set(['looms.generation', 'looms.kept-from', 'looms.restored-from']);

const sorted = (record: Readonly<Record<string, string>>): string =>
  JSON.stringify(
    Object.entries(record)
      .filter(([key]) => !unstable.has(key))
      // By the key of the machine, and of the number of the generation; that they are there counts.
      .map(([key, value]) => [key, key === 'looms.signature' || key === 'looms.secrets' ? 'keyed' : value])
      .sort(),
  );

/** The folder and the file that every server with data has. */
export const dataFolder = '/data';
export const keptFile = 'kept';

/** Owner of the data folder, and what the file in it says; undefined where there is none. */
async function dataOf(container: Docker.Container): Promise<string | undefined> {
  try {
    const found: string[] = [];
    const archive = extract();
    archive.on('entry', (header, stream, next) => {
      buffer(stream).then((bytes) => {
        const isFolder = header.type === 'directory';
        if (isFolder || header.name.endsWith(`/${keptFile}`)) {
          found.push(
            `${header.name} ${header.uid}:${header.gid} ${isFolder ? '' : bytes.toString('utf8').trim()}`.trim(),
          );
        }
        next();
      }, next);
    });
    const stream = await container.getArchive({ path: dataFolder });
    await new Promise<void>((resolve, reject) => {
      archive.once('finish', () => resolve()).once('error', reject);
      stream.once('error', reject).pipe(archive);
    });
    return found.sort().join('; ');
  } catch (error) {
    if ((error as { statusCode?: unknown }).statusCode === 404) return undefined;
    throw error;
  }
}

async function containerLine(docker: Docker, project: string, id: string): Promise<string> {
  const container = docker.getContainer(id);
  const {
    Name: name,
    State: state,
    Config: config,
    HostConfig: host,
    NetworkSettings: network,
  } = await container.inspect();
  const mounts = (host.Mounts ?? []).map((mount) => `${mount.Source}:${mount.Target}`);
  return [
    `container ${name.slice(1)} ${state.Status}`,
    `image ${config.Image}`,
    `memory ${host.Memory}`,
    `networks ${Object.keys(network.Networks).sort().join(',')}`,
    `mounts ${[...mounts, ...(host.Binds ?? [])].sort().join(',')}`,
    `data ${(await dataOf(container)) ?? 'none'}`,
    `labels ${sorted(config.Labels)}`,
  ]
    .join(' | ')
    .replaceAll(project, 'PROJECT');
}

const twice = (values: readonly string[]): string[] =>
  [...new Set(values.filter((value, index) => values.indexOf(value) !== index))].sort();

/** Everything that carries a project's label or its name. */
export async function stateOf(docker: Docker, project: string): Promise<ProjectState> {
  const isOurs = (name: string, labels: Readonly<Record<string, string>> | null | undefined): boolean =>
    labels?.['looms.project'] === project || name.includes(project);
  const all = (await docker.listContainers({ all: true })).filter(({ Names, Labels }) => isOurs(Names.join(), Labels));
  // What was tried and cut off may be told in the history, and its numbers differ from run to run.
  const isRecord = ({ Labels }: Docker.ContainerInfo): boolean => Labels['looms.role'] === 'history';
  const containers = all.filter((one) => !isRecord(one));
  const revisions = all.filter(isRecord).map(({ Labels, ImageID }) => {
    const failed = Labels['looms.outcome'] === 'gate-failed' ? ' failed' : '';
    return `record ${Labels['looms.server']} ${Labels['looms.spec-hash']} ${ImageID}${failed}`;
  });
  const networks = (await docker.listNetworks()).filter(({ Name, Labels }) => isOurs(Name, Labels));
  const volumes = ((await docker.listVolumes()).Volumes ?? []).filter(({ Name, Labels }) => isOurs(Name, Labels));
  const lines = await Promise.all(containers.map(({ Id }) => containerLine(docker, project, Id)));
  // A forwarder is its server's, and there is one of it too.
  const servers = containers.flatMap(({ Labels: { 'looms.server': server, 'looms.role': role } }) =>
    server === undefined ? [] : [role === 'forwarder' ? `forwarder of ${server}` : server],
  );
  const places = [...networks.map(({ Name }) => `network ${Name}`), ...volumes.map(({ Name }) => `volume ${Name}`)];
  return {
    lines: [...lines, ...places.map((place) => place.replaceAll(project, 'PROJECT'))].sort(),
    names: [...containers.map(({ Names }) => `container ${(Names[0] ?? '').slice(1)}`), ...places]
      .map((name) => name.replaceAll(project, 'PROJECT'))
      .sort(),
    duplicates: [...twice(servers), ...twice(revisions), ...twice(networks.map(({ Name }) => Name))],
  };
}
