import type { InspectedContainer } from './inspected.ts';

type Setting = readonly [name: string, value: unknown];

const isSet = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== '' && value !== 0 && value !== false;
};

const textOf = (value: unknown): string => {
  if (value === true) return 'true';
  if (Array.isArray(value))
    return value.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry))).join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

/** Named as the flags that make them. Ulimits and cgroup parent are left out: engines put their defaults there. */
function settingsOf({ Config: config, HostConfig: host }: InspectedContainer, ownCgroups: boolean): readonly Setting[] {
  return [
    ['blkio-weight', host.BlkioWeight],
    ...cpuQuotaOf(host),
    ['cgroupns', ownCgroups && host.CgroupnsMode === 'host' ? 'host' : ''],
    ['cpu-shares', host.CpuShares],
    ['cpuset-cpus', host.CpusetCpus],
    ['cpuset-mems', host.CpusetMems],
    ['device-cgroup-rule', host.DeviceCgroupRules],
    ['dns-search', host.DnsSearch],
    ['gpus', host.DeviceRequests],
    ['group-add', host.GroupAdd],
    ['link', host.Links],
    ['memory-reservation', host.MemoryReservation],
    ['oom-kill-disable', host.OomKillDisable],
    ['oom-score-adj', host.OomScoreAdj],
    ['publish-all', host.PublishAllPorts],
    ['rm', host.AutoRemove],
    ['tty', config.Tty],
    ['userns', host.UsernsMode],
    ['uts', host.UTSMode],
    ['volumes-from', host.VolumesFrom],
  ];
}

/** What Podman reports as set in every container: its own defaults. */
const podmanDefaults = new Set(['uts=private', 'userns=private']);

/** Podman keeps `NanoCpus` as a quota of a period, and reports all three; only another quota is a setting of its own. */
function cpuQuotaOf(host: InspectedContainer['HostConfig']): readonly Setting[] {
  const { NanoCpus: nanoCpus = 0, CpuPeriod: period = 0, CpuQuota: quota = 0 } = host;
  // A quota is in whole microseconds, so that what it comes to can differ from what was asked for by less than one.
  if (period > 0 && Math.abs((quota * 1e9) / period - nanoCpus) < 1e9 / period) return [];
  return [
    ['cpu-period', period],
    ['cpu-quota', quota],
  ];
}

/**
 * Settings that looms never makes, as `name=value`, sorted: `docker update --cpuset-cpus 0` makes `cpuset-cpus=0`. With
 * `ownCgroups` the host's cgroup namespace is one.
 */
export const otherSettings = (container: InspectedContainer, ownCgroups = false): readonly string[] =>
  settingsOf(container, ownCgroups)
    .filter(([, value]) => isSet(value))
    .map(([name, value]) => `${name}=${textOf(value)}`)
    .filter((setting) => !podmanDefaults.has(setting))
    .sort();
