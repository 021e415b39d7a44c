import { realpath } from 'node:fs/promises';
import type { DockerDescription } from '../../../model/engine.ts';
import { LoomsError } from '../../../model/errors.ts';
import type { ContainerShape } from '../../model/shape.ts';
import type { Client, EngineInfo } from '../connection/connection.ts';
import { describeEndpoint } from '../connection/endpoint.ts';

/** Storage drivers that take a size for the writable layer; overlay2 does on xfs, with project quotas. */
function canLimitStorage(info: EngineInfo): boolean {
  if (info.Driver === 'overlay2') {
    return info.DriverStatus?.some(([key, value]) => key === 'Backing Filesystem' && value === 'xfs') === true;
  }
  return ['btrfs', 'zfs', 'devicemapper', 'windowsfilter'].includes(info.Driver ?? '');
}

/** Whether swap can be limited: an engine whose kernel does not count it takes every limit of it and drops it. */
export const canLimitSwap = (info: EngineInfo): boolean => info.SwapLimit !== false;

/** Tells this engine from others. Podman (5.8) makes up an id each time; its machine and folder stay the same. */
const engineId = (kind: DockerDescription['kind'], { ID, Name, DockerRootDir }: EngineInfo): string =>
  kind === 'podman' ? `podman:${Name ?? ''}:${DockerRootDir ?? ''}` : (ID ?? '');

/** Where folders of engines really are, asked once: an engine is described before each look at it. */
const realPaths = new Map<string, string>();

/** What nobody but root may look at is as the engine says it. */
async function realPathOf(folder: string): Promise<string> {
  const known = realPaths.get(folder) ?? (await realpath(folder).catch(() => folder));
  realPaths.set(folder, known);
  return known;
}

/** The engine's description from what it said at connecting and in `/info`. */
export async function describeEngine({ engine, endpoint }: Client, info: EngineInfo): Promise<DockerDescription> {
  const told = info.DockerRootDir ?? '';
  const stateFolder = endpoint.kind === 'socket' && told !== '' ? await realPathOf(told) : told;
  return {
    ...engine,
    id: engineId(engine.kind, info),
    name: info.Name ?? '',
    endpoint: describeEndpoint(endpoint),
    storageDriver: info.Driver ?? 'unknown',
    canLimitStorage: canLimitStorage(info),
    canLimitSwap: canLimitSwap(info),
    canLimitProcesses: info.PidsLimit !== false,
    // On Podman its name server lives on the gateway, so the host stays reachable; no option is known that closes it
    // (5.8).
    canHideHost: engine.kind === 'docker',
    securityModules: (info.SecurityOptions ?? []).flatMap((option) => /^name=([a-z]+)/.exec(option)?.[1] ?? []),
    stateFolder,
    cpus: info.NCPU ?? 0,
    memoryBytes: info.MemTotal ?? 0,
  };
}

/** Refuses limits that the engine would silently drop (rootless without delegation). Throws `engine-unsupported`. */
export function requireLimits(shape: ContainerShape, info: EngineInfo): void {
  const missing = [
    shape.memoryBytes > 0 && info.MemoryLimit === false ? 'memory' : '',
    shape.nanoCpus > 0 && info.CpuCfsQuota === false ? 'CPU' : '',
    shape.pidsLimit > 0 && info.PidsLimit === false ? 'processes' : '',
  ].filter((name) => name !== '');
  if (missing.length === 0) return;
  throw new LoomsError('engine-unsupported', `this engine cannot limit ${missing.join(', ')}`, {
    hint: 'on a rootless engine, let systemd delegate the cgroup controllers to your user',
  });
}
