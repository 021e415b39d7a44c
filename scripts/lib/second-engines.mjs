import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** First and last port of the registries that tests start for an engine that must know them beforehand. */
const registryPorts = [47100, 47131];

/** @type {import('./second-engine.mjs').SecondEngine[]} */
export const secondEngines = [
  { ...docker('docker-classic', 'false'), index: 1 },
  { ...docker('docker-containerd', 'true'), index: 2 },
  {
    name: 'podman',
    title: 'Podman',
    projects: ['engine-alone', 'engine', 'fault'],
    index: 3,
    packages: 'podman',
    include: ['podman', 'crun', 'catatonit', 'netavark', 'aardvark-dns', 'iptables', 'nftables', 'iproute2', 'procps'],
    program: 'podman',
    leavesProcesses: true,
    env: { LOOMS_TEST_REGISTRY_PORTS: registryPorts.join('-') },
    // What it keeps of networks must not outlive it, or the next one takes a name server for running.
    // crun refuses to work where both generations of control groups are mounted, a build asks for more
    // files and processes than a machine may grant, and registries on loopback need an entry to be asked
    // without TLS.
    prepare: `
    umount "$root/sys/fs/cgroup/unified" 2>/dev/null || true
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root/etc/containers"
    echo '${podmanConfiguration()}' > "$root/etc/containers/containers.conf"
    echo '${podmanRegistries()}' > "$root/etc/containers/registries.conf"`,
    command: (dir) => [
      'catatonit', // as the first process of a namespace, it reaps
      '--',
      'podman',
      '--root',
      join(dir, 'storage'),
      '--runroot',
      join(dir, 'run'),
      '--cgroup-manager=cgroupfs',
      'system',
      'service',
      '--time=0',
      `unix://${join(dir, 'engine.sock')}`,
    ],
  },
];

function docker(name, containerdStore) {
  return {
    name,
    title: `Docker Engine, ${containerdStore === 'true' ? 'containerd' : 'classic'} image store`,
    projects: ['engine-alone', 'engine', 'cli', 'fault'],
    packages: 'docker',
    include: ['docker.io', 'iptables', 'iproute2', 'procps'],
    program: 'dockerd',
    command: (dir, mtu) => [
      'dockerd',
      `--feature=containerd-snapshotter=${containerdStore}`,
      `--data-root=${join(dir, 'storage')}`,
      `--exec-root=${join(dir, 'run')}`,
      `--pidfile=${join(dir, 'dockerd.pid')}`,
      `--host=unix://${join(dir, 'engine.sock')}`,
      `--cgroup-parent=/looms-${name}`,
      `--mtu=${mtu}`,
    ],
  };
}

function podmanConfiguration() {
  const limits = process.platform === 'linux' ? readFileSync('/proc/self/limits', 'utf8') : '';
  const hard = (name) => limits.split(name)[1]?.trim().split(/\s+/)[1] ?? 'unlimited'; // soft, hard, unit
  const ulimits = Object.entries({ nofile: hard('Max open files'), nproc: hard('Max processes') })
    .filter(([, value]) => value !== 'unlimited')
    .map(([name, value]) => `"${name}=${value}:${value}"`);
  return `[containers]\ndefault_ulimits = [${ulimits.join(', ')}]\n[network]\nnetwork_config_dir = "/run/networks"`;
}

function podmanRegistries() {
  const [first, last] = registryPorts;
  return Array.from(
    { length: last - first + 1 },
    (_, index) => `[[registry]]\nlocation = "127.0.0.1:${first + index}"\ninsecure = true`,
  ).join('\n');
}
