import { randomBytes } from 'node:crypto';
import { LoomsError } from '../../model/errors.ts';
import type { ExecSession } from '../../orchestrator/session-host.ts';
import type { Lack, LinkTarget } from './link.ts';
import { orAborted, settledWithin } from './settled-within.ts';

/** Variable that marks every process of one session, also those that left its process group. */
const markVariable = 'LOOMS_SESSION';

/** Begins the line on stderr that says who watches over a session whose lease can be renewed. */
const watcherWord = 'looms-watcher';

/** Begins the line on stderr that says with which refusals of processes a session began. */
const beginsWord = 'looms-begins';

/** Begins the last line on the stderr of a session that found no room in its container. */
const noRoomWord = 'looms-no-room';

/**
 * What a session of a server may take until it is known better: 12 processes and threads (Node on four cores and more;
 * Python takes 4) and 48 MiB (what a Python server of the SDK takes; Node 27), measured with `server-everything` and
 * `mcp-server-time`, `timeout` included.
 */
const assumedSession = { processes: 12, bytes: 48 * 1024 * 1024 };

/**
 * Runs a server's argv as one session. $0: its lease in seconds; $1: seconds to wait for room; $2: whether the lease can be
 * renewed; $3…: argv. `$$` stays the id of the whole process group: the engine makes an exec's first process a session leader, and each `exec` keeps it.
 *
 * What the container has no room for waits its turn: a process too many fails at any moment of any session, and for a
 * byte too many the kernel ends one that may be in the middle of a call. A session looks at those alone that the engine
 * started before it (no parent in here, an earlier start), so none waits for one another, and the oldest never. Each of
 * them is taken for the mean of all, and while one is young (30 s, what a server may take to start) or waits itself for no
 * less than is assumed. Where the kernel does not say what is used, all go on. Those that wait take two processes each:
 * of more than a twentieth of the limit the last one goes, and comes again.
 *
 * stderr goes to the container's log where PID 1's can be opened, else it stays with us. A server dies with the `timeout`
 * that bounds it, where `setpriv` can do that: util-linux's since 2.33, which brought `choom` as well, not BusyBox's.
 * Where there is no `timeout`, or the lease can be renewed, a watcher outside of the server's children counts seconds, deaf
 * to the SIGTERM that it sends, and goes within one second of the server's end. It says its id on stderr, and begins to
 * count again at each SIGUSR1: a renewal writes no file, and needs no process that stays.
 */
const wrapperScript = `echo "$$" >&2
limit=$0 lease=$0 patience=$1 renewed=$2
shift 2
group=/sys/fs/cgroup v=
if [ -e "$group/pids/pids.max" ]; then
  pids=$group/pids/pids memory=$group/memory/memory.usage_in_bytes most=$group/memory/memory.limit_in_bytes
  stat=$group/memory/memory.stat v=total_
else
  pids=$group/pids memory=$group/memory.current most=$group/memory.max stat=$group/memory.stat
fi
split() {
  read -r line 2>/dev/null <"/proc/$1/stat" || return 1
  name=\${line%)*} name=\${name#*(}
  set -- \${line##*) }
  parent=$2 start=\${20}
}
fits() {
  mean=$(($2 / older)) need=$4
  if [ "$young" = 0 ] || [ "$mean" -gt "$need" ]; then need=$mean; fi
  [ $(($2 + young * (need - mean) + need)) -le "$3" ] || { lack="$older $1 $2 $3"; return 1; }
}
has_room() {
  older=0 young=0 waiting=0
  read -r now _ </proc/uptime
  now=\${now%.*}\${now#*.}
  for dir in /proc/[1-9]*; do
    id=\${dir#/proc/}
    [ "$id" -gt 1 ] && [ "$id" != "$$" ] && split "$id" && [ "$parent" = 0 ] || continue
    [ "$start" -lt "$began" ] || { [ "$start" = "$began" ] && [ "$id" -lt "$$" ]; } || continue
    older=$((older + 1))
    if [ "$name" = "$own" ]; then waiting=$((waiting + 1)); fi
    if [ "$name" = "$own" ] || [ $((now - start)) -lt 3000 ]; then young=$((young + 1)); fi
  done
  [ "$older" = 0 ] && return
  { read -r used <"$pids.current" && read -r crowd <"$pids.max"; } 2>/dev/null || return 0
  if [ "$crowd" = max ]; then crowd=$used; else fits processes "$used" "$crowd" ${assumedSession.processes} || return; fi
  { read -r used <"$memory" && read -r limit_of <"$most"; } 2>/dev/null || return 0
  [ "$limit_of" = max ] && return
  while read -r key value; do
    case $key in "\${v}inactive_file" | "\${v}active_file") used=$((used - value)) ;; esac
  done <"$stat"
  fits memory "$used" "$limit_of" ${assumedSession.bytes}
}
split "$$"
own=$name began=$start
until has_room; do
  if [ $((now - began)) -ge $((patience * 100)) ] || [ $((waiting * 20)) -ge "$crowd" ]; then
    echo "${noRoomWord} $lack" >&2
    exit 75
  fi
  sleep 0.3 || sleep 1
done
refused=0
{
  while read -r key value; do if [ "$key" = max ]; then refused=$value; fi; done <"$pids.events"
} 2>/dev/null || :
echo "${beginsWord} $refused" >&2
limit=$((limit - (now - began) / 100))
[ "$limit" -gt 0 ] || limit=1
exec 3>&2
if (exec 2>>/proc/1/fd/2) 2>/dev/null; then exec 2>>/proc/1/fd/2; fi
if [ "$renewed" = 0 ] && command -v timeout >/dev/null 2>&1; then
  if [ -e /usr/bin/choom ] && [ -f /usr/bin/setpriv ] && [ ! -L /usr/bin/setpriv ]; then
    set -- /usr/bin/setpriv --pdeathsig KILL "$@"
  fi
  exec timeout -k 5 "$limit" "$@" 3>&-
fi
me=$$
( (
  trap '' TERM
  trap 'limit=$lease' USR1
  read -r watcher _ </proc/self/stat
  echo "${watcherWord} $watcher" >&3
  exec 3>&-
  while kill -0 "$me" 2>/dev/null; do
    [ "$limit" -le 0 ] && kill -s TERM -- "-$me" 2>/dev/null
    [ "$limit" -le -5 ] && kill -s KILL -- "-$me" 2>/dev/null
    limit=$((limit - 1))
    sleep 1
  done
) </dev/null >/dev/null 2>&1 & )
exec "$@" 3>&-`;

/** Renews a lease. $0: the watcher's id; $1: the session's mark, as an id may be another's by now. */
const renewScript = `grep -qs "${markVariable}=$1" "/proc/$0/environ" && kill -s USR1 "$0"`;
/** Into how many parts a lease is divided, of which each may fail to renew it but the last. */
const renewalsPerLease = 3;

/**
 * Ends what is left of a session. $0: process group, or 0 when it is unknown; $1: the session's mark; $2: tenths of a
 * second between TERM and KILL. Finds the group, and by the mark in their environment also processes that made a group
 * of their own. Exits 0 when nothing is left.
 */
const endScript = `group=$0 mark=$1 left=$2
find_all() {
  for file in $(grep -ls "${markVariable}=$mark" /proc/[0-9]*/environ 2>/dev/null); do
    file=\${file#/proc/}
    echo "\${file%/environ}"
  done
  [ "$group" = 0 ] && return
  for dir in /proc/[0-9]*; do
    read -r line 2>/dev/null <"$dir/stat" || continue
    set -- \${line##*) }
    [ "$1" != Z ] && [ "$3" = "$group" ] && echo "\${dir#/proc/}"
  done
}
any_alive() {
  for id in $ids; do kill -0 "$id" 2>/dev/null && return 0; done
  return 1
}
ids=$(find_all)
[ -z "$ids" ] && exit 0
kill -s TERM $ids 2>/dev/null
while [ "$left" -gt 0 ] && any_alive; do
  sleep 0.1 2>/dev/null || { sleep 1; left=$((left - 9)); }
  left=$((left - 1))
done
ids=$(find_all)
[ -z "$ids" ] && exit 0
kill -s KILL $ids 2>/dev/null
left=20
while [ "$left" -gt 0 ] && any_alive; do
  sleep 0.1 2>/dev/null || { sleep 1; left=$((left - 9)); }
  left=$((left - 1))
done
[ -z "$(find_all)" ]`;

/**
 * Exits 0 where the kernel has refused a process or a thread in the container more often than $0 times. Room is counted
 * before what an engine needs to begin other sessions is there (runc: some seven threads for a moment), so a server can
 * meet the limit that had room for it.
 */
const refusedScript = `group=/sys/fs/cgroup
events=$group/pids.events
[ -e "$group/pids/pids.max" ] && events=$group/pids/pids.events
while read -r key value; do
  if [ "$key" = max ] && [ "$value" -gt "$0" ]; then exit 0; fi
done <"$events"
exit 1`;

/** Tenths of a second that a server gets between SIGTERM and SIGKILL. */
const killAfterTenths = '10';
/** How long the engine and the end script may take, ms: two waits of at most 2 s, and room for a busy machine. */
const killAnswerMs = 10_000;

/** Longest piece of a session's own stderr that is kept for messages, characters. */
const stderrTailLength = 4_000;

export type SessionProcess = {
  readonly exec: ExecSession;
  /** What came through the exec's own stderr: nothing where it goes to the container's log. */
  readonly stderrTail: () => readonly string[];
  /** What was lacking, for a process that ended with this code before the server began. */
  readonly noRoom: (exitCode: number | null) => Lack | undefined;
  /** Whether the kernel has refused a process or a thread in the container since it began; false where nobody can say. */
  readonly wasRefused: () => Promise<boolean>;
  /** Half-closes its input, waits `graceMs`, then ends the group by an exec; says which it took. Never throws. */
  readonly end: () => Promise<SessionEnd>;
  /** Half-closes its input, and resolves when that is on its way to the container. Never throws. */
  readonly leave: () => Promise<void>;
};

type SessionEnd =
  | { readonly how: 'by-itself' }
  | { readonly how: 'killed' }
  /** The image has no shell, or the engine did not answer: its own time limit, or the container's end, remains. */
  | { readonly how: 'abandoned'; readonly why: string };

type SessionProcessOptions = {
  /** How long it may wait in the container until there is room for it, ms. */
  readonly patienceMs: number;
  /** Its lease, ms: it ends by itself after that, also when nobody is left to end it. */
  readonly limitMs: number;
  /** Whether the lease is renewed as long as this program holds the session. */
  readonly renews: boolean;
  /** How long a server may take to go after its input ended, ms. */
  readonly graceMs: number;
  readonly signal?: AbortSignal;
};

/**
 * Starts a stdio server's argv in its container, bounded in time, with its stderr in the container's log. Without a
 * shell in the image the argv runs bare: no limit of its own, and stderr stays with us. Throws what `Engine.exec`
 * throws.
 */
export async function startSessionProcess(
  target: LinkTarget,
  { limitMs, renews, patienceMs, graceMs, signal }: SessionProcessOptions,
): Promise<SessionProcess> {
  if (signal?.aborted) throw stoppedStarting();
  const mark = randomBytes(12).toString('hex');
  const seconds = String(Math.max(1, Math.ceil(limitMs / 1000)));
  const patience = String(Math.max(0, Math.floor(patienceMs / 1000)));
  const starting = target.sessions.exec(target.container, {
    argv: target.hasShell
      ? ['sh', '-c', wrapperScript, seconds, patience, renews ? '1' : '0', ...target.argv]
      : target.argv,
    env: target.hasShell ? { ...target.env, [markVariable]: mark } : target.env,
  });
  const exec = await startedOrEnded(starting, signal, () => endInContainer(target, 0, mark));

  const stderr = readStderr(exec, target.hasShell);
  const renewal = renews
    ? setInterval(() => renewLease(target, stderr.watcher(), mark), limitMs / renewalsPerLease)
    : undefined;
  renewal?.unref();
  let ended = false;
  const over = () => {
    ended = true;
    clearInterval(renewal);
  };
  exec.ended.then(over, over);

  const leave = (): Promise<void> => {
    clearInterval(renewal);
    exec.stdin.on('error', () => {}); // The process may be gone already; `ended` says so.
    exec.stdout.resume();
    return settledWithin(new Promise<void>((resolve) => exec.stdin.end(() => resolve())), graceMs);
  };

  const end = async (): Promise<SessionEnd> => {
    leave();
    await settledWithin(exec.ended, graceMs);
    const result: SessionEnd = ended ? await afterEnd() : await endInContainer(target, stderr.group(), mark);
    if (!ended) await settledWithin(exec.ended, 500);
    exec.destroy();
    return result;
  };

  // A connection that broke says nothing about the process behind it.
  const afterEnd = async (): Promise<SessionEnd> => {
    const { exitCode } = await exec.ended;
    return exitCode === null ? endInContainer(target, stderr.group(), mark) : { how: 'by-itself' };
  };

  let ending: Promise<SessionEnd> | undefined;
  return {
    exec,
    stderrTail: stderr.tail,
    noRoom: (exitCode) => {
      if (!target.hasShell) return undefined;
      const never = exitCode !== null && stderr.group() === 0;
      return never ? { of: 'anything' } : lackOf(stderr.tail().at(-1));
    },
    wasRefused: async () => {
      const before = stderr.refused();
      if (before === undefined) return false;
      return (await runScript(target, refusedScript, before).catch(() => null)) === 0;
    },
    end: () => {
      ending ??= end().catch((error: unknown) => ({ how: 'abandoned', why: String(error) }));
      return ending;
    },
    leave,
  };
}

/** Reads the wrapper's last word. */
function lackOf(line: string | undefined): Lack | undefined {
  const [word, open, of, used, most] = line?.split(' ') ?? [];
  if (word !== noRoomWord || (of !== 'processes' && of !== 'memory')) return undefined;
  return { of, open: Number(open), used: Number(used), most: Number(most) };
}

const beginsLine = new RegExp(`^${beginsWord} (\\d+)\\n`, 'm');
const watcherLine = new RegExp(`^${watcherWord} (\\d+)\\n`, 'm');

const stoppedStarting = (): LoomsError => new LoomsError('interrupted', 'stopped while a session was being started');

/**
 * The exec once it runs. Who gives up meanwhile leaves no process behind: a start that was asked for happens all the
 * same, so it is waited for, within what the engine may take, and ended. Throws `interrupted` then.
 */
async function startedOrEnded(
  starting: Promise<ExecSession>,
  signal: AbortSignal | undefined,
  endProcess: () => Promise<SessionEnd>,
): Promise<ExecSession> {
  const started = await orAborted(starting, signal);
  if (started !== undefined) return started;
  const ending = starting.then(async (late) => {
    try {
      await endProcess();
    } finally {
      late.destroy();
    }
  });
  await settledWithin(ending, killAnswerMs);
  throw stoppedStarting();
}

/** One renewal. One that fails leaves the rest of the lease to the next. */
async function renewLease(target: LinkTarget, watcher: string | undefined, mark: string): Promise<void> {
  if (!target.hasShell || watcher === undefined) return;
  // The engine may be back before the lease is over; if not, the session ends, which its exec tells.
  await runScript(target, renewScript, watcher, mark).catch(() => null);
}

/** Runs the end script as a second exec in the container. */
async function endInContainer(target: LinkTarget, group: number, mark: string): Promise<SessionEnd> {
  if (!target.hasShell) return { how: 'abandoned', why: 'the image has no shell' };
  const code = await runScript(target, endScript, String(group), mark, killAfterTenths);
  return code === 0 ? { how: 'killed' } : { how: 'abandoned', why: `ending it in the container gave ${code}` };
}

/** The exit code of a short script in the container; null where that was not known in time. Throws what `exec` throws. */
async function runScript({ sessions, container }: LinkTarget, ...argv: readonly string[]): Promise<number | null> {
  const signal = AbortSignal.timeout(killAnswerMs);
  const exec = await sessions.exec(container, { argv: ['sh', '-c', ...argv] }, { signal });
  for (const stream of [exec.stdin, exec.stdout, exec.stderr]) stream.on('error', () => {});
  exec.stdin.end();
  exec.stdout.resume();
  exec.stderr.resume();
  let code: number | null = null;
  const ended = exec.ended.then(({ exitCode }) => {
    code = exitCode;
  });
  await settledWithin(ended, killAnswerMs);
  exec.destroy();
  return code;
}

/** Reads what the wrapper says of itself: its process group's id in its first line; keeps the end of whatever else there is. */
function readStderr(
  exec: ExecSession,
  wrapped: boolean,
): {
  group: () => number;
  watcher: () => string | undefined;
  refused: () => string | undefined;
  tail: () => readonly string[];
} {
  let text = '';
  let group = 0;
  let watcher: string | undefined;
  let refused: string | undefined;
  exec.stderr.on('error', () => {}); // The same break shows in `ended`.
  exec.stderr.setEncoding('utf8');
  exec.stderr.on('data', (chunk: string) => {
    text += chunk;
    if (wrapped && group === 0 && text.includes('\n')) {
      group = Number.parseInt(text, 10) || 0;
      if (group !== 0) text = text.slice(text.indexOf('\n') + 1);
    }
    if (wrapped && refused === undefined) {
      text = text.replace(beginsLine, (_, count: string) => {
        refused = count;
        return '';
      });
    }
    if (wrapped && watcher === undefined) {
      text = text.replace(watcherLine, (_, id: string) => {
        watcher = id;
        return '';
      });
    }
    if (text.length > 2 * stderrTailLength) text = text.slice(-stderrTailLength);
  });
  return {
    group: () => group,
    watcher: () => watcher,
    refused: () => refused,
    tail: () =>
      text
        .slice(-stderrTailLength)
        .split('\n')
        .filter((line) => line.trim() !== ''),
  };
}
