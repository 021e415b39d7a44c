import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @type {import('./second-engine.mjs').SecondEngine[]} */
export const secondEngines = [
  { ...docker('docker-classic', 'false'), index: 1 },
  { ...docker('docker-containerd', 'true'), index: 2 },
  {
    name: 'podman',
    title: 'Podman',
    byDefault: false,
    index: 3,
    packages: 'podman',
    include: ['podman', 'crun', 'catatonit', 'netavark', 'aardvark-dns', 'iptables', 'nftables', 'iproute2', 'procps'],
    program: 'podman',
    // crun refuses to work where both generations of control groups are mounted, and a build asks for
    // more files and processes than a machine may grant.
    prepare: `
    umount "$root/sys/fs/cgroup/unified" 2>/dev/null || true
    mkdir -p "$root/etc/containers"
    echo '${podmanConfiguration()}' > "$root/etc/containers/containers.conf"`,
    command: (dir) => [
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
    byDefault: true,
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
  return `[containers]\ndefault_ulimits = [${ulimits.join(', ')}]`;
}
