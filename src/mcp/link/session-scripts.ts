// What runs in a container with the process of a session: written for `sh`, as small as in BusyBox.
import { keeperName } from '../../model/ids.ts';

/** Variable that marks every process of one session, also those that left its process group. */
export const markVariable = 'LOOMS_SESSION';

/** Begins the line on stderr that says who watches over a session whose lease can be renewed. */
export const watcherWord = 'looms-watcher';

/** Begins the line on stderr that says with which refusals of processes, and beside how many others, a session began. */
export const beginsWord = 'looms-begins';

/** A line on stderr that says, about once a second, that a session waits for room in its container. */
export const waitsWord = 'looms-waits';

/** Begins the last line on the stderr of a session that found no room in its container. */
export const noRoomWord = 'looms-no-room';

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
export const wrapperScript = `echo "$$" >&2
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
  beside=0 older=0 young=0 waiting=0
  read -r now _ </proc/uptime
  now=\${now%.*}\${now#*.}
  for dir in /proc/[1-9]*; do
    id=\${dir#/proc/}
    [ "$id" -gt 1 ] && [ "$id" != "$$" ] && split "$id" && [ "$parent" = 0 ] || continue
    [ "$name" = "${keeperName}" ] && continue
    beside=$((beside + 1))
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
own=$name began=$start looks=0
until has_room; do
  if [ $((looks % 3)) = 0 ]; then echo "${waitsWord}" >&2; fi
  looks=$((looks + 1))
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
echo "${beginsWord} $refused $beside" >&2
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
export const renewScript = `grep -qs "${markVariable}=$1" "/proc/$0/environ" && kill -s USR1 "$0"`;

/**
 * Ends what is left of a session. $0: process group, or 0 when it is unknown; $1: the session's mark; $2: tenths of a
 * second between TERM and KILL. Finds the group, and by the mark in their environment also processes that made a group
 * of their own. Exits 0 when nothing is left.
 */
export const endScript = `group=$0 mark=$1 left=$2
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
export const refusedScript = `group=/sys/fs/cgroup
events=$group/pids.events
[ -e "$group/pids/pids.max" ] && events=$group/pids/pids.events
while read -r key value; do
  if [ "$key" = max ] && [ "$value" -gt "$0" ]; then exit 0; fi
done <"$events"
exit 1`;

/**
 * Keeps the sessions of a program. $0: its name, under which it counts as no session; $1: `endScript`; $2…: marks of
 * sessions that begin. Its input is `+ MARK` for a session that is about to begin, `+ MARK WATCHER GROUP` for one that has,
 * `- MARK` for one that is over, and `.` to renew the leases of all. It ends when its program does, however that dies: then
 * the sessions get a second to go by themselves, and are ended, those by their mark that had not said who watches them.
 * Neither a beginning nor a renewal starts a process, of which a crowded container may have none left; a watcher is known
 * by when it started, as its id may be another's by now.
 */
export const keeperScript = `end=$1 known=
shift
for mark; do known="$known $mark:::0"; done
{ echo "$0" >"/proc/$$/comm"; } 2>/dev/null
forget() {
  left=
  for one in $known; do
    if [ "\${one%%:*}" != "$1" ]; then left="$left $one"; fi
  done
  known=$left
}
start_of() {
  read -r line 2>/dev/null <"/proc/$1/stat" || return 1
  set -- \${line##*) }
  start=\${20}
}
while read -r what mark watcher group; do
  case $what in
    +)
      if [ -z "$watcher" ]; then
        case "$known " in *" $mark:"*) ;; *) known="$known $mark:::0" ;; esac
      elif start_of "$watcher"; then
        forget "$mark"
        known="$known $mark:$watcher:$start:$group"
      fi
      ;;
    -) forget "$mark" ;;
    .)
      for one in $known; do
        rest=\${one#*:}
        watcher=\${rest%%:*} rest=\${rest#*:}
        [ -n "$watcher" ] && start_of "$watcher" && [ "$start" = "\${rest%%:*}" ] && kill -s USR1 "$watcher" 2>/dev/null
      done
      ;;
  esac
done
[ -z "$known" ] && exit 0
sleep 1
for one in $known; do
  sh -c "$end" "\${one##*:}" "\${one%%:*}" 10 &
done
wait`;
