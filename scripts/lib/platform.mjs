import { existsSync, readFileSync } from 'node:fs';

/**
 * What this machine is, as far as installing an engine depends on it.
 *
 * @returns {{ os: 'debian' | 'linux' | 'mac' | 'windows' | 'other', root: boolean, systemd: boolean, name: string }}
 *   `debian` includes Ubuntu and whatever else calls itself like Debian; `systemd`: it is running, not only installed
 */
export function platform() {
  const root = process.getuid?.() === 0;
  if (process.platform === 'darwin') return { os: 'mac', root, systemd: false, name: 'macOS' };
  if (process.platform === 'win32') return { os: 'windows', root, systemd: false, name: 'Windows' };
  if (process.platform !== 'linux') return { os: 'other', root, systemd: false, name: process.platform };
  const release = osRelease();
  const family = `${release.ID ?? ''} ${release.ID_LIKE ?? ''}`.split(' ');
  const os = family.includes('debian') && existsSync('/usr/bin/apt-get') ? 'debian' : 'linux';
  return { os, root, systemd: existsSync('/run/systemd/system'), name: release.PRETTY_NAME ?? 'Linux' };
}

/**
 * What a person does on this machine to get a running engine, one line each.
 *
 * @param {ReturnType<typeof platform>} machine
 * @returns {string[]}
 */
export function engineAdvice(machine) {
  switch (machine.os) {
    case 'mac':
      return [
        'Start Docker Desktop, OrbStack or Colima (`open -a Docker`, `orb start` or `colima start`), then run this again.',
      ];
    case 'windows':
      return ['Start Docker Desktop, turn on its WSL integration, and run this again inside WSL.'];
    case 'debian':
      return [
        'Run as root: apt-get install docker.io',
        'or run this again as root: it will install and start the engine itself.',
      ];
    default:
      return [
        'Install Docker Engine with your package manager, start it (`systemctl start docker`), then run this again.',
      ];
  }
}

function osRelease() {
  if (!existsSync('/etc/os-release')) return {};
  const pairs = readFileSync('/etc/os-release', 'utf8').matchAll(/^([A-Z_]+)="?(.*?)"?$/gm);
  return Object.fromEntries([...pairs].map(([, key, value]) => [key, value]));
}
