import { carrierName } from '../model/ids.ts';

/**
 * Carries many TCP connections to one host over the streams of one exec in the relay container. Arguments: host, seconds
 * of its lease. Frames both ways: number of the connection, a letter, length, data (`N a N/a*`).
 *
 * To it: O opens (port, seconds to go on trying, window, 1 where the server answers on a stream that is open all the time),
 * D data, W bytes of the server's that were read, E no more data, X drops, L renews the lease (seconds), N says of how many
 * sessions the connections are, which stands in its name for whoever counts them. From it: O it is open, R nothing listened
 * in time, D, W as above, E it is over.
 *
 * It is one process, bounded by its own alarm, which the kernel keeps: where several carry a connection, one that is
 * killed, or a signal that comes between a shell's fork and exec and is lost, leaves another that nothing bounds. It holds
 * no more than the window of each connection in the client's direction, and a quarter of a MiB in the other for all of
 * them. The end of its input ends it. Whichever side of a connection ends first ends that: what the server sent before its
 * end is still handed on, and a server gets a second to take what the client sent before its own.
 *
 * A TERM, of which there may be many, has it leave once nothing waits for an answer. The head of a request tells what may:
 * a stream that was asked for with GET or `subscriptions/listen` only brings news, but where answers come on it. It ends with the
 * code of the signal, so that what was about to be opened, on which nothing was sent yet, is tried once more.
 *
 * Numbers instead of Socket's names, as loading that takes three times as long as all of the rest.
 */
export const relayProgram = `use strict;
use Fcntl;
my ($host, $lease) = @ARGV;
alarm $lease;
$SIG{PIPE} = 'IGNORE';
my ($in, $out, $over, $leaving, %all) = ('', '', 0, 0);
$SIG{TERM} = sub { $leaving = 1 };
sub unblock { fcntl($_, F_SETFL, O_NONBLOCK | fcntl($_, F_GETFL, 0)) for @_ }
sub put { $out .= pack 'N a N/a*', @_ }
sub begin {
  my $one = shift;
  my $address = gethostbyname $host or return;
  socket my $server, 2, 1, 0 or return; # AF_INET, SOCK_STREAM
  setsockopt $server, 6, 1, pack 'l', 1; # TCP_NODELAY: the pieces of a request come one by one
  unblock $server;
  connect $server, pack 'S n a4 x8', 2, $one->{port}, $address;
  $one->{server} = $server;
}
sub take {
  my ($id, $type, $data) = @_;
  my $one = $all{$id};
  if ($type eq 'L') { alarm unpack 'N', $data }
  elsif ($type eq 'N') { $0 = '${carrierName} ' . unpack 'N', $data }
  elsif ($type eq 'O') {
    my ($port, $patience, $window, $awaited) = unpack 'N N N N', $data;
    begin($all{$id} = { port => $port, until => time + $patience, window => $window, up => '', awaited => $awaited });
  }
  elsif (!$one) { }
  elsif ($type eq 'D') {
    $one->{up} .= $data;
    $one->{news} = !$one->{awaited} && ($1 eq 'GET' || $data =~ m{^mcp-method: subscriptions/listen\\r$}im)
      if $data =~ m{^([A-Z]+) \\S+ HTTP/1};
  }
  elsif ($type eq 'W') { $one->{window} += unpack 'N', $data }
  elsif ($type eq 'E') { $one->{last} = 1 }
  elsif ($type eq 'X') { $one->{last} = $one->{dropped} = 1; $one->{until} = time + 1 }
}
unblock *STDIN, *STDOUT;
for (;;) {
  exit if $over && !%all;
  exit 143 if $leaving && !length $out && !grep { $_->{open} && !$_->{news} } values %all;
  my ($readable, $writable, $wait) = ('', '');
  vec($readable, 0, 1) = 1 unless $over;
  vec($writable, 1, 1) = 1 if length $out;
  for my $one (values %all) {
    $wait = .1 if !$one->{server} || $one->{dropped};
    my $number = fileno($one->{server} || next);
    $wait ||= 1 unless $one->{open};
    vec($writable, $number, 1) = 1 if !$one->{open} || length $one->{up};
    vec($readable, $number, 1) = 1 if $one->{open} && ($one->{dropped} || $one->{window} > 0 && length $out < 262144);
  }
  my $count = select $readable, $writable, undef, $wait;
  next if $count < 0;
  if (vec $readable, 0, 1) {
    my $length = sysread STDIN, $in, 65536, length $in;
    if (!$length && !(!defined $length && $!{EAGAIN})) {
      $over = 1;
      alarm 1;
      take($_, 'X') for keys %all;
    }
    while (length $in >= 9) {
      my ($id, $type, $size) = unpack 'N a N', $in;
      last if length $in < 9 + $size;
      take($id, $type, substr $in, 9, $size);
      substr($in, 0, 9 + $size) = '';
    }
  }
  if (vec $writable, 1, 1) {
    my $length = syswrite STDOUT, $out;
    if (defined $length) { substr($out, 0, $length) = '' }
    elsif (!$!{EAGAIN}) { exit }
  }
  for my $id (keys %all) {
    my $one = $all{$id};
    my $server = $one->{server};
    if (!$one->{open}) {
      if ($one->{dropped}) { delete $all{$id}; next }
      if ($server && vec $writable, fileno $server, 1) {
        if (getpeername $server) { $one->{open} = 1; put($id, 'O', ''); next }
        delete $one->{server};
      }
      if (time >= $one->{until}) { put($id, 'R', ''); delete $all{$id} }
      elsif (!$one->{server} && !$count) { begin($one) }
      next;
    }
    if (vec($readable, fileno $server, 1) && ($one->{dropped} || length $out < 262144)) {
      my $most = $one->{dropped} || $one->{window} > 65536 ? 65536 : $one->{window};
      my $length = sysread $server, my $data, $most;
      if ($length) {
        if (!$one->{dropped}) { put($id, 'D', $data); $one->{window} -= $length }
      }
      elsif (defined $length || !$!{EAGAIN}) {
        put($id, 'E', '') unless $one->{dropped};
        delete $all{$id};
        next;
      }
    }
    if (length $one->{up} && vec $writable, fileno $server, 1) {
      my $length = syswrite $server, $one->{up};
      if (defined $length) { substr($one->{up}, 0, $length) = ''; put($id, 'W', pack 'N', $length) }
      elsif (!$!{EAGAIN}) { $one->{up} = '' } # The server's last words may still be on their way.
    }
    if ($one->{last} && !length $one->{up}) { shutdown $server, 1; delete $one->{last} }
    delete $all{$id} if $one->{dropped} && time > $one->{until};
  }
}`;
