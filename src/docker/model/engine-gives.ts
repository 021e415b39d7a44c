import { dirname } from 'node:path/posix';
import type { DockerDescription } from '../../model/engine.ts';
import type { EngineMounts } from '../../model/server-view.ts';
import { secretsFilePath } from './resolve-shape.ts';

const ofEither = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf', dirname(secretsFilePath)];
/** Where the image may have them: `/sbin` is a link to `/usr/sbin` in most. */
const dockersInit = ['', '/usr'].flatMap((above) => [`${above}/bin/docker-init`, `${above}/sbin/docker-init`]);

/** What an engine mounts by itself in each container of a server. */
export const engineMounts = ({ kind }: Pick<DockerDescription, 'kind'>): EngineMounts => ({
  at: new Set(
    kind === 'podman' ? [...ofEither, '/run/.containerenv', '/run/podman-init'] : [...ofEither, ...dockersInit],
  ),
  // Podman covers these where the root is read-only.
  tmpfsAt: new Set(kind === 'podman' ? ['/run', '/var/tmp'] : []),
  unnamedVolume: /\/volumes\/[0-9a-f]{64}\/_data$/,
});

/** Where a container asks Docker itself for names; Podman has a name service at the gateway of each network. */
export const nameServer = ({ kind }: Pick<DockerDescription, 'kind'>): string | null =>
  kind === 'podman' ? null : '127.0.0.11';
