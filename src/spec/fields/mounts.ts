import { isAbsolute, resolve } from 'node:path';
import { type Mount, securityFields } from '../../model/desired.ts';
import type { EnginePart } from '../../model/engine.ts';
import { type Reader, sortedRecord } from '../read/reader.ts';
import { childPath } from '../read/tree.ts';
import type { BackendInput, MountInput } from './input.ts';
import { containerPath } from './paths.ts';

/** Host folders that hold an engine's own state or sockets; one of them, or a folder above, gives the host away. */
const enginePaths = [
  '/var/run/docker.sock',
  '/run/docker.sock',
  '/var/run/podman',
  '/run/podman',
  '/var/run/docker',
  '/run/docker',
  '/var/run/containerd',
  '/run/containerd',
  '/var/lib/docker',
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/buildkit',
  '/var/lib/rancher',
  '/var/snap/docker',
  '/etc/docker',
];
/** A user's own engine, whoever the user is. */
const ofUsers = /\/\.local\/share\/(?:docker|containers)(?:\/|$)/;
const kernelPaths = ['/proc', '/sys', '/dev'];

type Mounting = {
  readonly mounts: readonly Mount[];
  readonly tmpfs: Readonly<Record<string, string>>;
  /** Host paths as they were written, also those of mounts with a wrong target. */
  readonly hostPaths: readonly HostPath[];
};

/** An absolute path of the host, the field that names it, and whether it is only read. */
export type HostPath = { readonly source: string; readonly path: string; readonly readOnly: boolean };

/** Mounts and in-memory folders of a server, with their targets checked against one another. */
export function mountsAndTmpfs(reader: Reader, backend: BackendInput): Mounting {
  const hostPaths: HostPath[] = [];
  const taken = new Map<string, string>();
  const claim = (target: string, path: string): boolean => {
    const first = taken.get(target);
    if (first === undefined) {
      taken.set(target, path);
      return true;
    }
    reader.report({
      code: 'duplicate-target',
      path,
      message: `${target} is mounted twice`,
      related: [{ path: first, message: 'first here' }],
    });
    return false;
  };

  const mounts = (backend.volume_mounts ?? []).flatMap((input, index) => {
    const path = `docker_backend.volume_mounts[${index}]`;
    const mount = oneMount(reader, path, input, hostPaths);
    return mount !== undefined && claim(mount.target, `${path}.target`) ? [mount] : [];
  });

  const tmpfs: Record<string, string> = {};
  const written = backend.security?.tmpfs;
  for (const [key, size] of Object.entries(
    written ?? (reader.has('docker_backend.security.tmpfs') ? {} : securityFields.tmpfs.default),
  )) {
    const path = childPath('docker_backend.security.tmpfs', key);
    // The default gives way to a mount of the user's own at the same place.
    if (written === undefined && taken.has(key)) continue;
    const target = containerPath(reader, path, key);
    if (target !== undefined && claim(target, path)) tmpfs[target] = size;
  }
  return { mounts: mounts.toSorted((a, b) => (a.target < b.target ? -1 : 1)), tmpfs: sortedRecord(tmpfs), hostPaths };
}

function oneMount(reader: Reader, path: string, input: MountInput, hostPaths: HostPath[]): Mount | undefined {
  for (const key of ['source', 'target'] as const) {
    if (!reader.has(`${path}.${key}`)) reader.report({ code: 'missing-key', path, message: `a mount needs ${key}` });
  }
  // Each half is checked also where the other one is wrong.
  const target = input.target === undefined ? undefined : containerPath(reader, `${path}.target`, input.target);
  const source = input.source === undefined ? undefined : mountSource(reader, `${path}.source`, input.source);
  if (source?.type === 'bind')
    hostPaths.push({ source: source.source, path: `${path}.source`, readOnly: input.read_only ?? false });
  if (target === undefined || source === undefined) return undefined;
  return { ...source, target, readOnly: input.read_only ?? false };
}

type MountSource = Pick<Mount, 'type' | 'source'>;

function mountSource(reader: Reader, path: string, source: string): MountSource | undefined {
  const problem = (code: string, message: string, hint: string): undefined => {
    reader.report({ code, path, message, hint });
    return undefined;
  };
  const isPath = isAbsolute(source) || /^\.\.?(?:\/|$)/.test(source);
  if (!isPath) {
    if (source.startsWith('~')) return problem('invalid-mount', `~ has no meaning in ${source}`, 'write ${HOME}/…');
    if (source.includes('/')) {
      return problem(
        'invalid-mount',
        `${source} is neither a path nor the name of a volume`,
        `for a path write ./${source}`,
      );
    }
    if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(source)) return { type: 'volume', source };
    return problem('invalid-mount', `${source} is not the name of a volume`, 'use letters, digits, ".", "_" and "-"');
  }
  const absolute = resolve(reader.directory, source);
  const refused = refusedHostPath(absolute);
  if (refused !== undefined) return problem('refused-mount', refused.message, refused.hint);
  return { type: 'bind', source: absolute };
}

/** Why a host path is never mounted, whatever a spec says; undefined for others (docs/spec.md, volume_mounts). */
export function refusedHostPath(absolute: string): { readonly message: string; readonly hint: string } | undefined {
  if (absolute === '/') {
    return { message: 'the root of the host is never mounted', hint: 'mount the folder that the server needs' };
  }
  const secret = [...enginePaths, ...kernelPaths].find((one) => contains(absolute, one) || contains(one, absolute));
  const isSocket = /\/(?:docker|podman|containerd|crio|buildkitd)\.sock$/.test(absolute);
  if (secret === undefined && !isSocket && !ofUsers.test(absolute)) return undefined;
  const why = kernelPaths.includes(secret ?? '') ? 'the kernel of the host' : 'the engine, and with it the host';
  return { message: `${absolute} is never mounted: it gives the server ${why}`, hint: 'mount another folder' };
}

/** Why a host path with something of an engine at, above or below it is never mounted; undefined where there is none. */
export const refusedEngine = (
  path: string,
  part: EnginePart | undefined,
): { readonly message: string; readonly hint: string } | undefined =>
  part === undefined
    ? undefined
    : {
        message: `${path} is never mounted: ${part.path === path ? 'it' : part.path} is ${part.kind === 'socket' ? 'the socket of an engine' : 'where an engine keeps its state'}, and gives the server the engine, and with it the host`,
        hint: 'mount another folder',
      };

/** Whether `inner` is `outer` or inside of it. */
export const contains = (outer: string, inner: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith('/') ? outer : `${outer}/`);
