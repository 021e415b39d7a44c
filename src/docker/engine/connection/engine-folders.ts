import { readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiscoveryInput } from './discovery.ts';

/** Files in which engines are told where their state lies, and what of them names a folder. */
function settings({ homeDirectory }: DiscoveryInput): readonly (readonly [file: string, folders: RegExp])[] {
  const docker = /"(?:data-root|exec-root|graph)"\s*:\s*"([^"]+)"/g;
  const containerd = /^\s*(?:root|state)\s*=\s*["']([^"']+)["']/gm;
  const containers = /^\s*(?:graphroot|runroot|rootless_storage_path|imagestore)\s*=\s*["']([^"']+)["']/gm;
  return [
    ['/etc/docker/daemon.json', docker],
    ['/var/snap/docker/current/config/daemon.json', docker],
    [join(homeDirectory, '.config/docker/daemon.json'), docker],
    ['/etc/containerd/config.toml', containerd],
    ['/etc/containers/storage.conf', containers],
    [join(homeDirectory, '.config/containers/storage.conf'), containers],
  ];
}

/** Where the engines of a user keep their state by default. */
const usual = ({ homeDirectory, environment }: DiscoveryInput): readonly string[] =>
  ['docker', 'containers'].map((name) => join(environment.XDG_DATA_HOME || join(homeDirectory, '.local/share'), name));

/**
 * Folders of this machine in which engines keep images, containers and volumes, links followed: those that their
 * configuration names and that this user can read, and a user's own. Of what is not there nothing is said: else nobody
 * could mount a home folder.
 */
export async function stateFolders(input: DiscoveryInput): Promise<readonly string[]> {
  const named = settings(input).map(async ([file, folders]) => {
    const text = await readFile(file, 'utf8').catch(() => '');
    return [...text.matchAll(folders)].map(([, folder = '']) =>
      folder.replace(/^(?:\$HOME|~)(?=\/)/, input.homeDirectory),
    );
  });
  const all = [...(await Promise.all(named)).flat(), ...usual(input)].filter((path) => path.startsWith('/'));
  const real = await Promise.all(all.map((path) => realpath(path).catch(() => undefined)));
  return [...new Set(real)].flatMap((path) => (path === undefined || path === '/' ? [] : [path]));
}
