import { first, type Look, type Looked } from './posture-look.ts';

const mebibyte = 1024 * 1024;

/**
 * Its memory and swap, MiB; by cgroup v2 or v1. More than the spec’s, or no limit, is a breach; swap that the engine cannot
 * limit is none.
 */
export function memory({ spec, view, engine, inside }: Look): Looked {
  const wanted = spec.limits.memoryMiB;
  const limit = first(inside, '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const swap = first(inside, '/sys/fs/cgroup/memory.swap.max');
  const withSwap = first(inside, '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes');
  // v2 bounds swap alone, v1 memory and swap together.
  const swapBytes = swap ?? (withSwap === undefined ? undefined : String(Number(withSwap) - Number(limit)));
  const inMiB = (bytes: string): string =>
    /^\d+$/.test(bytes) && Number(bytes) < 2 ** 60
      ? `${Math.round((Number(bytes) / mebibyte) * 10) / 10} MiB`
      : 'no limit';
  const words =
    limit === undefined
      ? undefined
      : `${inMiB(limit)}${swapBytes === undefined ? '' : `, swap ${swapBytes === '0' ? 'none' : inMiB(swapBytes)}`}`;
  const { memoryMiB } = view.limits;
  const { swapMiB } = view.confinement;
  const { canLimitSwap } = engine;
  const engineSwap = !canLimitSwap
    ? 'not limited by this engine'
    : swapMiB === null
      ? 'no limit'
      : swapMiB === 0
        ? 'none'
        : `${swapMiB} MiB`;
  const engineKeeps = memoryMiB > 0 && memoryMiB <= wanted;
  const insideKeeps = limit === undefined || Number(limit) <= wanted * mebibyte;
  return {
    promise: 'memory',
    engineLacksIt: !canLimitSwap && engineKeeps && insideKeeps,
    spec: `${wanted} MiB, swap none`,
    engine: [
      memoryMiB > 0 ? `${memoryMiB} MiB, swap ${engineSwap}` : 'no limit',
      engineKeeps && (!canLimitSwap || swapMiB === 0),
    ],
    inside:
      words === undefined
        ? undefined
        : [words, insideKeeps && (!canLimitSwap || swapBytes === undefined || swapBytes === '0')],
  };
}

/** A limit as the engine has it, 0 for none, and whether it keeps to what is wanted. */
const bounded = (limit: number, wanted: number, text: (limit: number) => string): readonly [string, boolean] =>
  limit > 0 ? [text(limit), limit <= wanted] : ['no limit', false];

const inCores = (cores: number): string => `${cores} ${cores === 1 ? 'core' : 'cores'}`;

/** Its processors, in cores; by cgroup v2 or v1. */
export function cpu({ spec, view, inside }: Look): Looked {
  const wanted = spec.limits.cpuCores;
  const [quota, period] = (
    first(inside, '/sys/fs/cgroup/cpu.max') ??
    [first(inside, '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'), first(inside, '/sys/fs/cgroup/cpu/cpu.cfs_period_us')].join(
      ' ',
    )
  ).split(' ');
  const cores = Number(quota) / Number(period);
  const isLimit = Number(quota) > 0 && Number.isFinite(cores);
  const known = quota !== undefined && quota !== '';
  return {
    promise: 'CPU',
    spec: inCores(wanted),
    engine: bounded(view.limits.cpuCores, wanted, inCores),
    // A quota is of whole microseconds.
    inside: known
      ? [isLimit ? inCores(Math.round(cores * 1000) / 1000) : 'no limit', isLimit && cores <= wanted + 0.001]
      : undefined,
  };
}

/** How many processes and threads it may have at once. What a node allows its pods, nothing in them tells. */
export function pids({ spec, view, engine, inside }: Look): Looked {
  const wanted = spec.limits.pidsLimit;
  const found = first(inside, '/sys/fs/cgroup/pids.max', '/sys/fs/cgroup/pids/pids.max');
  return {
    promise: 'processes',
    spec: String(wanted),
    engine: bounded(view.limits.pids, wanted, String),
    inside: found === undefined ? undefined : [found === 'max' ? 'no limit' : found, Number(found) <= wanted],
    engineLacksIt: view.limits.pids <= 0 && !engine.canLimitProcesses,
  };
}

/** What it may write to its own file system, where its spec bounds that. Only the engine can tell. */
export function storage({ spec, view, engine }: Look): Looked | undefined {
  const wanted = spec.limits.storageMiB;
  if (wanted === undefined) return undefined;
  const { storageMiB } = view.confinement;
  return {
    promise: 'storage',
    spec: `${wanted} MiB`,
    engine: [storageMiB === null ? 'no limit' : `${storageMiB} MiB`, storageMiB !== null && storageMiB <= wanted],
    inside: 'not-asked',
    engineLacksIt: storageMiB === null && !engine.canLimitStorage,
  };
}
