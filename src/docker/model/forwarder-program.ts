import { ownNetworks } from './proxy-config.ts';

/**
 * PID 1 of a forwarder. Arguments: HAProxy's configuration ('' for none), the address to answer names on, ranges of ports
 * at which connections are noted ('' for none), and `name=address` for each name that the server may know, `*.suffix=address`
 * for all below a suffix, `?=address` for one to give to a name that is not listed.
 *
 * It runs HAProxy, which gets its configuration through a pipe so that nothing is written, with the networks that the
 * forwarder is on (its routes but for the default one) where the configuration says so, and answers the server's
 * questions for names: a listed one with its address here, any other with "no such name", which it notes in the log. No
 * question is handed on, so none carries anything outside. Where it has addresses to give, a name that is not listed gets
 * one, for no longer than this answer, and what comes to it is noted and ended: the same port of a listed host is HAProxy's,
 * as the kernel prefers who listens at one address (both share their ports, SO_REUSEPORT). When either ends, both do, and the
 * engine starts them again. Numbers instead of Socket's names, as in the relay's program.
 */
export const forwarderProgram = `use strict;
$| = 1;
my ($config, $own, $ports, @names) = @ARGV;
my @free = map { /^\\?=(.*)/ } @names;
my %address = map { split /=/ } grep { !/^\\?/ } @names;
my %named = reverse %address;
my %given;
my $bytes = sub { pack 'C4', split /\\./, shift };
socket my $questions, 2, 2, 0 or die "socket: $!\\n"; # AF_INET, SOCK_DGRAM
bind $questions, pack 'S n a4 x8', 2, 53, $bytes->($own) or die "cannot answer names on $own: $!\\n";
my ($all, @listeners) = '';
vec($all, fileno $questions, 1) = 1;
for my $port (map { /(\\d+)-(\\d+)/ ? $1 .. $2 : $_ } split ' ', $ports) {
  socket my $listener, 2, 2049, 0 or die "socket: $!\\n"; # SOCK_STREAM | SOCK_NONBLOCK
  setsockopt $listener, 1, 15, pack 'i', 1 or die "share ports: $!\\n"; # SOL_SOCKET, SO_REUSEPORT
  bind $listener, pack 'S n a4 x8', 2, $port, $bytes->('0.0.0.0') or die "cannot listen on $port: $!\\n";
  listen $listener, 16 or die "cannot listen on $port: $!\\n";
  $listeners[fileno $listener] = $listener;
  vec($all, fileno $listener, 1) = 1;
}
sub own_networks {
  open my $routes, '<', '/proc/net/route' or die "routes: $!\\n";
  <$routes>; # the names of its columns
  my @to = map { join '/', map { join '.', unpack 'C4', pack 'L', hex } (split)[1, 7] } <$routes>;
  return join ' ', grep { !/\\/0\\.0\\.0\\.0$/ } @to;
}
my $proxy;
$SIG{TERM} = $SIG{INT} = sub { kill 'TERM', $proxy if $proxy; exit };
if ($config ne '') {
  $config =~ s/${ownNetworks}/own_networks()/ge;
  pipe my $from, my $to or die "pipe: $!\\n";
  $SIG{CHLD} = sub { exit 1 };
  $proxy = fork // die "fork: $!\\n";
  if (!$proxy) {
    close $to;
    open STDIN, '<&', $from;
    exec 'haproxy', '-db', '-f', '/dev/stdin' or die "haproxy: $!\\n";
  }
  close $from;
  print $to $config;
  close $to;
}
sub answer {
  my $question = shift;
  my ($id, $flags, $count) = unpack 'n3', $question;
  return if length $question < 17 || $flags & 0x8000 || $count != 1;
  my ($at, @labels) = 12;
  while (my $length = ord substr $question, $at, 1) {
    return if $length > 63 || $at + $length + 6 > length $question;
    push @labels, lc substr $question, $at + 1, $length;
    $at += $length + 1;
  }
  my $asked = substr $question, 12, $at - 7;
  my $type = unpack 'n', substr $asked, -4;
  my $name = join '.', @labels;
  my $found = $address{$name};
  $found //= $address{join '.', '*', @labels[$_ .. $#labels]} for 1 .. $#labels;
  my $free = $found ? undef : $given{$name};
  if (!$found && !$free && @free && ($type == 1 || $type == 28) && $name =~ /^[a-z0-9._-]+\\z/) {
    $free = $given{$name} = shift @free;
    $named{$free} = $name;
  }
  if (!$found && $type != 28) { # AAAA comes beside A
    $name =~ s/[^a-z0-9._-]/?/g;
    print "refused name $name\\n";
  }
  my $to = $found // $free;
  my $record = $to && $type == 1 ? pack 'n3 N n a4', 0xc00c, 1, 1, $found ? 30 : 0, 4, $bytes->($to) : '';
  return pack('n6', $id, 0x8580 | ($to ? 0 : 3), 1, $record ne '', 0, 0) . $asked . $record;
}
sub refuse {
  my $listener = shift;
  accept my $connection, $listener or return;
  my (undef, $port, $at) = unpack 'S n a4', getsockname $connection;
  $at = join '.', unpack 'C4', $at;
  print 'refused connection ', $named{$at} // $at, ":$port\\n";
  setsockopt $connection, 1, 13, pack 'i2', 1, 0; # SOL_SOCKET, SO_LINGER: closed as by a reset
}
for (;;) {
  next if select(my $ready = $all, undef, undef, undef) < 1;
  if (vec $ready, fileno $questions, 1) {
    my $peer = recv $questions, my $question, 512, 0;
    my $answer = defined $peer ? answer($question) : undef;
    send $questions, $answer, 0, $peer if defined $answer;
  }
  for (grep { defined } @listeners) {
    refuse($_) if vec $ready, fileno $_, 1;
  }
}`;
