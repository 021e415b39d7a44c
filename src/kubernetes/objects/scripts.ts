// What runs in the pods of a server besides it: written for `sh`, as small as in BusyBox, and for Perl without modules.

import { carrierName, keeperName } from '../../model/ids.ts';

/** Where the scripts are in a pod, and the folder in memory that they may write to. */
export const scriptsFolder = '/opt/looms';
export const runFolder = '/run/looms';

/** The revision that a gate names to a server that knows sessions; a server answers with one that it has. */
const sessionRevision = '2025-11-25';
const statelessRevision = '2026-07-28';

const client = { name: 'looms-gate', version: '1' };
const request = (id: string, method: string, params: object): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params });
const handshake = request('looms-gate-1', 'initialize', {
  protocolVersion: sessionRevision,
  capabilities: {},
  clientInfo: client,
});
const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
const list = request('looms-gate-2', 'tools/list', {});
const statelessList = request('looms-gate-2', 'tools/list', {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': statelessRevision,
    'io.modelcontextprotocol/clientInfo': client,
    'io.modelcontextprotocol/clientCapabilities': {},
  },
});

/**
 * The log of a container, for what a server says to its gate: a server may say its secrets, and what a probe prints stands in an
 * event of the cluster (`Unhealthy`), which is read and kept by many who may read no Secret.
 */
const containerLog = '/proc/1/fd/2';

/**
 * The gate of a stdio server: starts it once more, and passes when it answers the handshake and `tools/list`. Arguments:
 * seconds, the protocol of the spec, argv. What else a server writes on its output is passed over; an answer that is an
 * error goes to the log and fails.
 */
const gateScript = `seconds=$1 protocol=$2
shift 2
in=${runFolder}/gate.$$.in out=${runFolder}/gate.$$.out
log=${containerLog} refusal=
(exec 2>>"$log") 2>/dev/null || log=/dev/null
command -v timeout >/dev/null 2>&1 && set -- timeout -k 2 "$seconds" "$@"
server=
end() {
  exec 3>&- 4<&-
  [ -z "$server" ] || kill "$server" 2>/dev/null
  server=
  rm -f "$in" "$out"
}
trap end EXIT
trap 'echo "the server ended before it answered" >&2; exit 1' PIPE
answered() {
  while IFS= read -r line <&4; do
    case $line in
      *'"looms-gate-'"$1"'"'*)
        case $line in *'"result"'*) return 0 ;; esac
        refusal=$line
        return 1 ;;
    esac
  done
  echo "the server ended before it answered" >&2
  return 1
}
begin() {
  rm -f "$in" "$out"
  mkfifo "$in" "$out" || exit 1
  "$@" <"$in" >"$out" 2>>"$log" &
  server=$!
  exec 3>"$in" 4<"$out"
}
with_sessions() {
  begin "$@"
  echo '${handshake}' >&3 && answered 1 || return
  echo '${initialized}' >&3
  echo '${list}' >&3 && answered 2
}
without_sessions() {
  begin "$@"
  echo '${statelessList}' >&3 && answered 2
}
case $protocol in
  legacy) with_sessions "$@" ;;
  auto) with_sessions "$@" || { end; without_sessions "$@"; } ;;
  *) without_sessions "$@" ;;
esac && exit
[ -z "$refusal" ] || {
  echo "the server answered with an error, which is in its log" >&2
  printf '%s\\n' "$refusal" >>"$log"
}
exit 1
`;

/**
 * The gate of a server over HTTP, in the container beside it: passes when it answers; what it answers else goes to the log of that
 * container, up to the last space in 64 KiB, so that no word is cut. Arguments: seconds, the protocol of the spec, the
 * transport, port, path. Of the transport of 2024 it asks for the stream that begins a session.
 */
const httpGateScript = `use strict;
my ($seconds, $protocol, $transport, $port, $path) = @ARGV;
my $end = time + $seconds - 1;
my ($refusal, $status);
alarm $seconds;
$SIG{PIPE} = 'IGNORE';
sub ask { # method, body, further headers; what it has until it is enough
  my ($method, $body, $headers, $enough) = @_;
  my $server;
  for (;;) {
    socket $server, 2, 1, 0 or die "no socket: $!\\n"; # AF_INET, SOCK_STREAM
    last if connect $server, pack 'S n C4 x8', 2, $port, 127, 0, 0, 1;
    die "nothing listens on port $port\\n" if time >= $end;
    select undef, undef, undef, .2; # a server needs a moment until it listens
  }
  my $length = length $body;
  syswrite $server, "$method $path HTTP/1.1\\r\\nHost: 127.0.0.1:$port\\r\\nConnection: close\\r\\n"
    . "Accept: application/json, text/event-stream\\r\\n$headers"
    . ($method eq 'POST' ? "Content-Type: application/json\\r\\nContent-Length: $length\\r\\n" : '') . "\\r\\n$body";
  my $answer = '';
  while (sysread $server, my $more, 65536) {
    $answer .= $more;
    last if length $answer > 16777216 or $answer =~ $enough;
  }
  return $answer;
}
sub result {
  my ($id, $answer) = @_;
  my ($head, $body) = split /\\r\\n\\r\\n/, $answer, 2;
  # JSON may stand in several lines; an event's data in one.
  my $line = $head =~ m{^content-type: *application/json}im ? $body : ($body =~ /^(.*"looms-gate-$id".*)$/m)[0];
  $line = undef unless defined $line && $line =~ /"looms-gate-$id"/;
  return 1 if defined $line && $line =~ /"result"/;
  ($status) = $head =~ m{^HTTP/\\S+ (\\d{3})};
  $refusal = defined $line ? $line : $answer;
  if (length $refusal > 65536) { ($refusal = substr $refusal, 0, 65536) =~ s/\\S+\\z// }
  return;
}
sub post { my ($id, $body, $headers) = @_; return ask('POST', $body, $headers, qr/"looms-gate-$id".*(?:\\r?\\n|\\})\\s*$/s) }
sub with_sessions {
  my $first = post(1, '${handshake}', '');
  result(1, $first) or return;
  my $headers = "MCP-Protocol-Version: ${sessionRevision}\\r\\n";
  $headers = "MCP-Protocol-Version: $1\\r\\n" if $first =~ /"protocolVersion"\\s*:\\s*"([\\w.-]+)"/;
  $headers .= "Mcp-Session-Id: $1\\r\\n" if $first =~ /^mcp-session-id:\\s*([!-~]+)\\r?$/im;
  ask('POST', '${initialized}', $headers, qr/\\r\\n\\r\\n/);
  my $passed = result(2, post(2, '${list}', $headers));
  ask('DELETE', '', $headers, qr/\\r\\n\\r\\n/) if $headers =~ /Mcp-Session-Id/;
  return $passed;
}
sub without_sessions {
  return result(2, post(2, '${statelessList}', "MCP-Protocol-Version: ${statelessRevision}\\r\\nMcp-Method: tools/list\\r\\n"));
}
my $passed = eval {
  if ($transport eq 'sse') { ask('GET', '', '', qr/^event: ?endpoint/m) =~ /^event: ?endpoint/m }
  elsif ($protocol eq 'legacy') { with_sessions() }
  elsif ($protocol eq 'auto') { with_sessions() || without_sessions() }
  else { without_sessions() }
};
exit 0 if $passed;
print STDERR $@ if $@;
if (defined $refusal) {
  print STDERR defined $status ? "the server answered HTTP $status, and the rest is in the log of this container\\n"
    : "the server ended the connection before it answered\\n";
  if (open my $log, '>>', '${containerLog}') { print $log "$refusal\\n" }
}
exit 1;
`;

/** The first line of what only looks at a container from outside, by which it is told from a session (`sh -c`). */
export const lookMark = ': looms-look';

/**
 * Begins a loop over the sessions in a container, which ends with `done`: what the engine starts in there from outside has no
 * parent. PID 1 and the shell of this are none, nor is one that has ended, what keeps sessions or only looks, and what the
 * cluster itself runs of the scripts, as probes and before its end.
 */
export const eachSession = `for dir in /proc/[1-9]*; do
  id=\${dir#/proc/}
  [ "$id" -gt 1 ] && [ "$id" != "$$" ] && read -r line 2>/dev/null <"$dir/stat" || continue
  name=\${line%)*} name=\${name#*(}
  [ "$name" = "${keeperName}" ] && continue
  set -- \${line##*) }
  [ "$2" = 0 ] && [ "$1" != Z ] || continue
  words=
  read -r words 2>/dev/null <"$dir/cmdline"
  case $words in "/bin/sh${scriptsFolder}/"* | "perl${scriptsFolder}/"* | "sh-c${lookMark}") continue ;; esac`;

/**
 * PID 1 of a stdio server's container, and of the one beside a server over HTTP: it waits for what ends there, as nobody else would,
 * and goes when it is told to, as `sleep` as PID 1 does not. What carries connections would be cut with it: until none is left,
 * each is told to leave (`relayProgram`), again and again as another one may have begun. The grace period of the pod bounds that.
 * Not every `sleep` knows fractions.
 */
const idleScript = `leave() {
  kill "$!" 2>/dev/null
  while carries; do sleep .2 2>/dev/null || sleep 1; done
  exit 0
}
carries() {
  found=1
${eachSession}
  case $words in "${carrierName} "*) kill "$id" 2>/dev/null && found=0 ;; esac
done
return $found
}
trap leave TERM INT
while :; do
  sleep 3600 &
  wait $!
done
`;

/** Runs before a pod is told to end: waits until no session is left in it, at most so many seconds. */
const drainScript = `left=$1
sessions() {
${eachSession}
  return 0
done
return 1
}
while [ "$left" -gt 0 ] && sessions; do
  sleep 1
  left=$((left - 1))
done
`;

/** What the ConfigMap of a project holds, by file. */
export const scripts = {
  'idle.sh': idleScript,
  'gate.sh': gateScript,
  'gate-http.pl': httpGateScript,
  'drain.sh': drainScript,
} as const;
