/**
 * How to get an engine going on a platform. `why`: nothing is there, something is there and does
 * not let us in, or nothing answers at all.
 */
export function startHint(platform: NodeJS.Platform, why: 'absent' | 'refused' | 'forbidden'): string {
  if (why === 'forbidden') {
    return platform === 'linux'
      ? 'your user may not open the socket: add it to the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or use rootless Docker'
      : 'your user may not open the socket: check its owner and permissions';
  }
  switch (platform) {
    case 'darwin':
      return 'start Docker Desktop (`open -a Docker`), OrbStack or Colima (`colima start`), or name an engine with --host or --context';
    case 'win32':
      return 'start Docker Desktop, or name an engine with --host or --context';
    default:
      return why === 'refused'
        ? 'start the engine (`sudo systemctl start docker`, or `systemctl --user start docker` for a rootless one), or name another with --host or --context'
        : 'install and start an engine (Debian and Ubuntu: `sudo apt-get install docker.io`), or name one with --host or --context';
  }
}
