import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import { LoomsError } from '../../model/errors.ts';
import type { ContainerId } from '../../model/ids.ts';
import type { ExecSession, SessionHost } from '../../orchestrator/session-host.ts';
import { settledWithin } from './settled-within.ts';

/**
 * Carries one TCP connection over the streams of an exec in the relay container. Arguments: host, port, seconds to go on
 * trying, seconds to live. Says "connected" on stderr, exits 97 when nothing listened. It is one process, bounded by its
 * own alarm, which the kernel keeps: where several carry a connection, one that is killed, or a signal that comes
 * between a shell's fork and exec and is lost, leaves another that nothing bounds. Whichever side ends first ends it:
 * what the server sent before its end is still handed on, and a server gets a second to take what the client sent
 * before its own. Numbers instead of Socket's names, as loading that takes three times as long as all of the rest.
 */
const relayScript = `use strict;
use Fcntl;
my ($host, $port, $patience, $lifetime) = @ARGV;
alarm $lifetime;
$SIG{PIPE} = 'IGNORE';
my $until = time + $patience;
my $server;
sub unblock { fcntl($_, F_SETFL, O_NONBLOCK | fcntl($_, F_GETFL, 0)) for @_ }
sub set { my $bits = ''; vec($bits, fileno $_, 1) = 1 for @_; $bits }
sub is_connected {
  my $address = gethostbyname $host or return 0;
  socket $server, 2, 1, 0 or return 0; # AF_INET, SOCK_STREAM
  unblock $server;
  connect $server, pack 'S n a4 x8', 2, $port, $address;
  my $left = $until - time;
  select undef, my $done = set($server), undef, $left > 1 ? $left : 1;
  return defined getpeername $server;
}
until (is_connected) {
  exit 97 if time >= $until;
  select undef, undef, undef, 0.1;
}
syswrite STDERR, "connected\\n";
unblock *STDIN, *STDOUT;
my $up = { from => *STDIN, to => $server, held => '' };
my $down = { from => $server, to => *STDOUT, held => '' };
for (;;) {
  my $readable = set map { $_->{from} } grep { !$_->{ended} && length $_->{held} < 262144 } $up, $down;
  my $writable = set map { $_->{to} } grep { length $_->{held} } $up, $down;
  select($readable, $writable, undef, undef) > 0 or next;
  for my $way ($up, $down) {
    if (vec $readable, fileno $way->{from}, 1) {
      my $count = sysread $way->{from}, $way->{held}, 65536, length $way->{held};
      $way->{ended} = 1 unless $count || !defined $count && $!{EAGAIN};
      alarm 1 if $way == $up && $way->{ended};
    }
    if (length $way->{held}) {
      my $count = syswrite $way->{to}, $way->{held};
      if (defined $count) { substr($way->{held}, 0, $count) = '' }
      elsif (!$!{EAGAIN}) {
        exit if $way == $down;
        $way->{held} = ''; # The server's last words may still be on their way.
      }
    }
    exit if $way->{ended} && !length $way->{held};
  }
}`;

const nothingListened = 97;
/** How long one exec in the relay goes on trying before we look whether the server still runs, s. */
const patienceSeconds = 2;

export type RelayAddress = {
  readonly engine: SessionHost;
  readonly relay: ContainerId;
  /** The server's name, for messages: its host is an id. */
  readonly server: string;
  readonly host: string;
  readonly port: number;
  /** Whether the server still runs; asked between tries. */
  readonly serverRuns: () => Promise<boolean>;
};

/**
 * Opens a TCP connection to a server on an isolated network as a stream. A fresh server needs a moment until it
 * listens: tries until `deadline` (`performance.now()`), as long as the server runs. The process in the relay ends by
 * itself after `lifetimeMs`; one that was killed before it connected is tried again. Throws `session-failed` when
 * nothing listened, and what `Engine.exec` throws.
 */
export async function connectThroughRelay(
  address: RelayAddress,
  bounds: { deadline: number; lifetimeMs: number; signal: AbortSignal },
): Promise<Duplex> {
  for (;;) {
    const left = bounds.deadline - performance.now();
    const exec = await address.engine.exec(
      address.relay,
      { argv: relayArgv(address, bounds.lifetimeMs, left) },
      { signal: bounds.signal },
    );
    const stream = streamOf(exec);
    const outcome = await connectedOrEnded(exec, bounds.signal, Math.max(0, left));
    if (outcome === 'connected') return stream;
    stream.on('error', () => {}); // Given up here; why is in `outcome`.
    stream.destroy();
    if (bounds.signal.aborted) throw new LoomsError('interrupted', `stopped connecting to ${address.server}`);
    const couldTryAgain = outcome === 'slow' || outcome === nothingListened || wasKilled(outcome);
    const isOver = performance.now() >= bounds.deadline;
    if (!couldTryAgain || (isOver && wasKilled(outcome))) {
      throw new LoomsError(
        'session-failed',
        `the relay could not connect to ${address.server} on port ${address.port} (exit code ${outcome})`,
        {
          hint: 'the image of the relay (LOOMS_RELAY_IMAGE) needs perl, as those of Debian and Ubuntu have it; looms apply makes a relay again that was changed',
        },
      );
    }
    if (isOver || !(await address.serverRuns())) {
      throw connectionRefused(address);
    }
  }
}

/**
 * Whether a process in the relay was ended by a signal, or nobody knows how: each exec takes some 10 MB of the relay's
 * memory until its program runs, and where many begin at once the kernel ends one.
 */
const wasKilled = (outcome: number | 'slow' | null): boolean =>
  outcome === null || (typeof outcome === 'number' && outcome > 128);

/** What is said when no connection to a server could be made in time. */
export const connectionRefused = ({ server, port }: Pick<RelayAddress, 'server' | 'port'>): LoomsError =>
  new LoomsError('session-failed', `${server}: connection refused, nothing listens on port ${port}`, {
    hint: 'check that the server listens on 0.0.0.0 and on mcp_server.port, and its env; an isolated server reaches nothing outside (network.mode)',
  });

function relayArgv({ host, port }: RelayAddress, lifetimeMs: number, leftMs: number): readonly string[] {
  const lifetime = String(Math.max(1, Math.ceil(lifetimeMs / 1000)));
  const patience = String(Math.max(0, Math.min(patienceSeconds, Math.floor(leftMs / 1000))));
  return ['perl', '-e', relayScript, host, String(port), patience, lifetime];
}

/** Waits for the script's word on stderr, or for its end (with its exit code), at most `ms`. */
async function connectedOrEnded(
  exec: ExecSession,
  signal: AbortSignal,
  ms: number,
): Promise<'connected' | 'slow' | number | null> {
  let outcome: 'connected' | 'slow' | number | null = 'slow';
  const stop = new AbortController();
  const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort', { signal: stop.signal });
  const word = once(exec.stderr, 'data', { signal: stop.signal }).then(() => {
    outcome = 'connected';
  });
  const end = exec.ended.then(({ exitCode }) => {
    if (outcome === 'slow') outcome = exitCode;
  });
  const first = Promise.race([aborted, word, end]);
  await settledWithin(first, ms);
  stop.abort();
  await Promise.allSettled([word, aborted]);
  return outcome;
}

/** The relay's exec as one stream; ending it half-closes, which ends the relay's process and the TCP connection. */
function streamOf(exec: ExecSession): Duplex {
  exec.stderr.on('error', () => {}); // The same break shows on stdout.
  exec.stderr.resume();
  const stream = new Duplex({
    allowHalfOpen: false,
    read() {
      exec.stdout.resume();
    },
    write(chunk: Buffer, _encoding, done) {
      if (exec.stdin.write(chunk)) done();
      else exec.stdin.once('drain', done);
    },
    final(done) {
      exec.stdin.end(() => done());
    },
    destroy(error, done) {
      exec.stdin.end();
      exec.stdout.resume();
      // The half-close must reach the relay before the connection goes, else its process stays until its limit.
      settledWithin(exec.ended, 1_000).then(() => exec.destroy());
      done(error);
    },
  });
  exec.stdout.on('data', (chunk: Buffer) => {
    if (!stream.destroyed && !stream.push(chunk)) exec.stdout.pause();
  });
  exec.stdout.on('end', () => {
    if (!stream.destroyed) stream.push(null);
  });
  exec.stdout.on('error', (error) => stream.destroy(error));
  exec.stdin.on('error', (error) => stream.destroy(error));
  return stream;
}
