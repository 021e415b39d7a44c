import type Docker from 'dockerode';

/**
 * Tries one thing from inside a container, in the perl that every Debian has, and says `open` with what came back, or
 * `closed` with why. Numbers of the kernel where Socket has no name for them.
 */
const program = String.raw`
use strict;
use Socket qw(:DEFAULT inet_pton getaddrinfo);
my ($kind, $host, $port, @more) = @ARGV;
sub closed { print "closed: @_\n"; exit }
sub opened { print "open: @_\n"; exit }
$SIG{ALRM} = sub { closed('no answer') };
alarm 4;
my %option = map { split /=/, $_, 2 } @more;
sub resolved { inet_aton($_[0]) // closed("no address for $_[0]") }
sub prepared {
  my $socket = shift;
  if (my $device = $option{device}) { setsockopt $socket, 1, 25, "$device\0" or closed("device: $!") }
  if ($option{dontroute}) { setsockopt $socket, 1, 5, pack 'i', 1 or closed("dontroute: $!") }
  if ($option{broadcast}) { setsockopt $socket, 1, 6, pack 'i', 1 or closed("broadcast: $!") }
  if (my $mark = $option{mark}) { setsockopt $socket, 1, 36, pack 'i', $mark or closed("mark: $!") }
  if (my $by = $option{by}) { setsockopt $socket, 0, 4, pack 'C3 a4 a4 C', 131, 11, 4, inet_aton($by), resolved($host), 0 or closed("options: $!") }
  if (my $own = $option{own}) { setsockopt $socket, 0, 15, pack 'i', 1; bind $socket, pack_sockaddr_in(0, inet_aton($own)) or closed("bind: $!") }
  if (my $from = $option{from}) { bind $socket, pack_sockaddr_in($from, INADDR_ANY) or closed("bind: $!") }
}
sub spoken {
  my ($socket, $said) = @_;
  defined send $socket, $said, 0 or closed("send: $!");
  my $answer = '';
  defined recv $socket, $answer, 4096, 0 or closed("recv: $!");
  length $answer ? opened(substr $answer =~ s/[^ -~]/./gr, 0, 60) : closed('ended');
}
# A question for the type TXT, as tunnels ask.
sub question { my $name = shift; pack('n6', 7, 0x100, 1, 0, 0, 0) . join('', map { chr(length) . $_ } split /\./, $name) . "\0" . pack 'n2', 16, 1 }
# An address of a link is one of a device.
sub address6 {
  my $index = 0;
  if (my $device = $option{scope}) { open my $file, '<', "/sys/class/net/$device/ifindex" or closed("$device: $!"); chomp($index = <$file>) }
  pack_sockaddr_in6($port, inet_pton(AF_INET6, $host), $index);
}
if ($kind eq 'tcp') {
  socket my $socket, AF_INET, SOCK_STREAM, 0; prepared($socket);
  connect $socket, pack_sockaddr_in($port, resolved($option{by} || $host)) or closed($!);
  spoken($socket, $option{hex} ? pack 'H*', $option{hex} : 'ping');
}
if ($kind eq 'tcp6') {
  socket my $socket, AF_INET6, SOCK_STREAM, 0 or closed($!);
  connect $socket, address6() or closed($!);
  spoken($socket, 'ping');
}
if ($kind eq 'udp6') {
  socket my $socket, AF_INET6, SOCK_DGRAM, 0 or closed($!);
  connect $socket, address6() or closed($!);
  spoken($socket, $option{say} // 'ping');
}
if ($kind eq 'udp') {
  socket my $socket, AF_INET, SOCK_DGRAM, 0; prepared($socket);
  connect $socket, pack_sockaddr_in($port, resolved($host)) or closed($!);
  spoken($socket, $option{ask} ? question($option{ask}) : $option{say} // 'ping');
}
if ($kind eq 'dns-tcp') {
  socket my $socket, AF_INET, SOCK_STREAM, 0;
  connect $socket, pack_sockaddr_in(53, inet_aton($host)) or closed($!);
  spoken($socket, pack 'n/a*', question($port));
}
if ($kind eq 'dns') { # Is there any answer that is more than "no such name"?
  socket my $socket, AF_INET, SOCK_DGRAM, 0;
  connect $socket, pack_sockaddr_in(53, inet_aton($host)) or closed($!);
  send $socket, question($port), 0 or closed($!);
  defined recv $socket, my $answer, 512, 0 or closed($!);
  my ($code, $count) = (unpack('n', substr $answer, 2) & 15, unpack 'n', substr $answer, 6);
  $code == 0 && $count > 0 ? opened('answered') : closed("code $code");
}
if ($kind eq 'name') { my $found = inet_aton($host); $found ? opened(inet_ntoa($found)) : closed('no such name') }
if ($kind eq 'raw') { socket my $socket, AF_INET, SOCK_RAW, $host or closed($!); opened('a raw socket') }
if ($kind eq 'ping') { socket my $socket, AF_INET, SOCK_DGRAM, 1 or closed($!); connect $socket, pack_sockaddr_in(0, inet_aton($host)) or closed($!); spoken($socket, pack 'C2 n3 a8', 8, 0, 0, 0, 1, '') }
if ($kind eq 'packet') { socket my $socket, 17, 3, 768 or closed($!); opened('a packet socket') }
if ($kind eq 'vsock') { socket my $socket, 40, 1, 0 or closed($!); connect $socket, pack 'S S L L x4', 40, 0, $port, 2 or closed($!); opened('the host') }
if ($kind eq 'netlink') { # RTM_NEWROUTE: a default route by an address of the network
  socket my $socket, 16, 3, 0 or closed($!);
  my $attributes = pack 'S2 a4', 8, 5, inet_aton($host);
  my $route = pack 'C8 L', 2, 0, 0, 0, 254, 3, 0, 1, 0;
  send $socket, pack('L S2 L2', 16 + length($route . $attributes), 24, 0x605, 1, 0) . $route . $attributes, 0 or closed($!);
  recv $socket, my $answer, 4096, 0;
  my $error = unpack 'l', substr $answer, 16, 4;
  $error == 0 ? opened('a route') : closed('error ' . -$error);
}
if ($kind eq 'write') { open my $file, '>>', $host or closed($!); print $file "\n" or closed($!); close $file or closed($!); opened('written') }
if ($kind eq 'run') { my $said = qx($host 2>&1); $? == 0 ? opened($said) : closed($said =~ s/\n/ /gr) }
closed("unknown: $kind");
`;

/** Tries something from inside a container; the one line that it comes to. */
export async function attack(container: Docker.Container, ...attempt: readonly string[]): Promise<string> {
  const exec = await container.exec({
    Cmd: ['perl', '-e', program, ...attempt],
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
  });
  const stream = await exec.start({ Tty: true });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks).toString().trim();
}
