import { LoomsError } from '../../../model/errors.ts';
import type { ContainerId } from '../../../model/ids.ts';
import { defined } from '../../../model/values/defined.ts';
import type { SessionHost } from '../../../orchestrator/session-host.ts';
import type { Ports } from '../../ports.ts';

/** Files that tell a process how it is confined; of those that name one thing twice, cgroup v2 and v1. */
const files = [
  '/proc/1/status',
  '/proc/self/status',
  '/proc/self/attr/current',
  '/proc/self/mountinfo',
  '/proc/self/net/dev',
  '/proc/self/net/if_inet6',
  '/etc/hosts',
  '/etc/resolv.conf',
  '/sys/fs/cgroup/memory.max',
  '/sys/fs/cgroup/memory.swap.max',
  '/sys/fs/cgroup/pids.max',
  '/sys/fs/cgroup/cpu.max',
  '/sys/fs/cgroup/memory/memory.limit_in_bytes',
  '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes',
  '/sys/fs/cgroup/pids/pids.max',
  '/sys/fs/cgroup/cpu/cpu.cfs_quota_us',
  '/sys/fs/cgroup/cpu/cpu.cfs_period_us',
] as const;

export type InsideFile = (typeof files)[number];

/** What a process in a container reads of itself. */
export type Inside = {
  readonly lines: (file: InsideFile) => readonly string[];
  /** Variables of those asked for that its first process has; undefined where that cannot be told. */
  readonly variables?: readonly string[];
  /**
   * The address that its default route leads to, and whether a machine answers there: a network without a way out has
   * the route as well, to an address that nobody has. Absent without such a route.
   */
  readonly gateway?: { readonly address: string; readonly answers: boolean | undefined };
};

/** Begins the part of a file, or of what was found. */
const mark = '== looms ';

/**
 * Needs of the image no more than a shell: `read` and `printf` are part of it. Names of variables are arguments, and only
 * names are printed. Whether somebody has the gateway's address shows in the table of neighbours once something was sent
 * there: one datagram to a port that discards it (RFC 863).
 */
const script = `
way=
while read -r interface to gate rest; do
  if [ "$to" = 00000000 ] && [ "$gate" != 00000000 ]; then way=$gate; fi
done < /proc/self/net/route 2>/dev/null
if [ -n "$way" ]; then
  a=\${way#??????}; b=\${way#????}; b=\${b%??}; c=\${way#??}; c=\${c%????}; d=\${way%??????}
  gateway=$(printf '%d.%d.%d.%d' "0x$a" "0x$b" "0x$c" "0x$d")
  tried=yes
  if command -v bash >/dev/null; then bash -c 'printf x > "/dev/udp/$0/9"' "$gateway"
  elif command -v nc >/dev/null; then printf x | nc -u -w 1 "$gateway" 9
  elif command -v ping >/dev/null; then ping -c 1 -W 1 "$gateway"
  else tried=no; fi >/dev/null 2>&1
  answered=no
  for wait in 1 2 3 4 5; do
    while read -r address kind flags rest; do
      if [ "$address" = "$gateway" ] && [ "$flags" = 0x2 ]; then answered=yes; fi
    done < /proc/self/net/arp
    if [ $answered = yes ] || [ $tried = no ]; then break; fi
    sleep 0.1
  done 2>/dev/null
  printf '${mark}gateway\\n%s\\n%s\\n%s\\n' "$gateway" $tried $answered
fi
show() { [ -r "$1" ] || return 0; printf '${mark}%s\\n' "$1"; while IFS= read -r line || [ -n "$line" ]; do printf '%s\\n' "$line"; done < "$1"; }
count=$1; shift
while [ "$count" -gt 0 ]; do show "$1"; shift; count=$((count - 1)); done 2>/dev/null
if [ -r /proc/1/environ ] && command -v tr >/dev/null && command -v grep >/dev/null; then
  printf '${mark}variables\\n'
  for name in "$@"; do if tr '\\0' '\\n' < /proc/1/environ 2>/dev/null | grep -q "^$name="; then printf '%s\\n' "$name"; fi; done
fi
`;

/** More than a container with a thousand mounts has to say; what goes on is no answer. Characters. */
const mostText = 1024 * 1024;
const patienceMs = 10_000;

/** What the shell wrote, or why it did not get to an end. */
async function run(host: SessionHost, id: ContainerId, names: readonly string[], signal: AbortSignal) {
  const argv = ['/bin/sh', '-c', script, 'looms', String(files.length), ...files, ...names];
  const session = await host.exec(id, { argv }, { signal });
  const stop = () => session.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    session.stdin.end();
    session.stderr.resume();
    let text = '';
    for await (const chunk of session.stdout) {
      text += String(chunk);
      if (text.length > mostText) return { why: 'it says more than is believable' };
    }
    if (signal.aborted) return { why: `it did not answer within ${patienceMs / 1000} s` };
    const { exitCode } = await session.ended;
    return exitCode === 0 ? { text } : { why: 'its image has no shell that can tell' };
  } finally {
    signal.removeEventListener('abort', stop);
    session.destroy();
  }
}

/**
 * Reads how a container confines its processes, by a process of the kind that a session is. Its answer comes from a shell
 * of the image. Gives why, where it cannot be had; throws nothing that the engine says of the container.
 *
 * @param names variables that are looked for in the environment of its first process; their values are not read
 */
export async function readInside(
  ports: Ports,
  id: ContainerId,
  names: readonly string[],
): Promise<Inside | { readonly why: string }> {
  const { sessions } = await ports.orchestrator();
  const [patience, done] = [new AbortController(), new AbortController()];
  const timer = ports.pause(patienceMs, done.signal).then(() => patience.abort());
  try {
    const found = await run(sessions, id, names, patience.signal);
    if (!('text' in found)) return found;
    const parts = new Map(
      found.text
        .split(mark)
        .slice(1)
        .map((part): [string, string[]] => {
          const [name = '', ...lines] = part.split('\n');
          return [name, lines.slice(0, -1)];
        }),
    );
    const [address, tried, answers] = parts.get('gateway') ?? [];
    const gateway =
      address === undefined ? undefined : { address, answers: tried === 'yes' ? answers === 'yes' : undefined };
    return { lines: (file) => parts.get(file) ?? [], ...defined({ variables: parts.get('variables'), gateway }) };
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    return { why: error.code === 'server-not-running' ? 'it does not run' : error.message };
  } finally {
    done.abort();
    await timer;
  }
}
