import type Docker from 'dockerode';
import type { Deed } from './faults.ts';

/** The containers of a project that are servers, by name. */
async function serversOf(docker: Docker, project: string): Promise<Docker.ContainerInfo[]> {
  const filters = { label: [`looms.project=${project}`, 'looms.role=server'] };
  const all = await docker.listContainers({ all: true, filters });
  return all.sort((a, b) => ((a.Names[0] ?? '') < (b.Names[0] ?? '') ? -1 : 1));
}

/** The same container anew, but for its memory: what someone does who wants "just a bit more". */
async function replace(docker: Docker, container: Docker.Container): Promise<void> {
  const { Name: name, Config: config, HostConfig: host, NetworkSettings: network } = await container.inspect();
  await container.remove({ force: true });
  const memory = 200 * 1024 * 1024;
  const [first, settings] = Object.entries(network.Networks)[0] ?? [];
  const created = await docker.createContainer({
    ...config,
    name: name.slice(1),
    HostConfig: { ...host, Memory: memory, MemorySwap: memory },
    ...(first === undefined
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [first]: { Aliases: settings?.Aliases } } } }),
  });
  await created.start();
}

/**
 * Does something by hand to one of a project's servers; `which` chooses among them. What cannot be done, because looms
 * did something to it at the same time, is not done.
 */
export async function interfere(docker: Docker, project: string, deed: Deed, which: number): Promise<void> {
  const servers = await serversOf(docker, project);
  const chosen = servers[which % Math.max(1, servers.length)];
  if (chosen === undefined) return;
  const container = docker.getContainer(chosen.Id);
  const act = async (): Promise<unknown> => {
    switch (deed) {
      case 'remove':
        return container.remove({ force: true });
      case 'stop':
        return container.stop({ t: 1 });
      case 'rename':
        return container.rename({ name: `${project}-mine-${chosen.Id.slice(0, 6)}` });
      case 'update':
        return container.update({ Memory: 220 * 1024 * 1024, MemorySwap: 220 * 1024 * 1024 });
      case 'replace':
        return replace(docker, container);
    }
  };
  try {
    await act();
  } catch (error) {
    if (typeof (error as { statusCode?: unknown }).statusCode !== 'number') throw error;
  }
}
