/**
 * PID 1 of a forwarder. Arguments: HAProxy's configuration, the address to answer names on, and `name=address` for each
 * name that the server may know, `*.suffix=address` for all below a suffix.
 *
 * It runs HAProxy, which gets its configuration through a pipe so that nothing is written, and answers the server's
 * questions for names: a listed one with its address here, any other with "no such name", which it notes in the log. No
 * question is handed on, so none carries anything outside. When either ends, both do, and the engine starts them again.
 * Numbers instead of Socket's names, as in the relay's program.
 */
export const forwarderProgram = `use strict;
$| = 1;
my ($config, $own, @names) = @ARGV;
my %address = map { split /=/ } @names;
my $bytes = sub { pack 'C4', split /\\./, shift };
socket my $questions, 2, 2, 0 or die "socket: $!\\n"; # AF_INET, SOCK_DGRAM
bind $questions, pack 'S n a4 x8', 2, 53, $bytes->($own) or die "cannot answer names on $own: $!\\n";
pipe my $from, my $to or die "pipe: $!\\n";
my $proxy;
$SIG{TERM} = $SIG{INT} = sub { kill 'TERM', $proxy if $proxy; exit };
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
  if (!$found && $type != 28) { # AAAA comes beside A
    $name =~ s/[^a-z0-9._-]/?/g;
    print "refused name $name\\n";
  }
  my $record = $found && $type == 1 ? pack 'n3 N n a4', 0xc00c, 1, 1, 30, 4, $bytes->($found) : '';
  return pack('n6', $id, 0x8580 | ($found ? 0 : 3), 1, $record ne '', 0, 0) . $asked . $record;
}
for (;;) {
  my $peer = recv $questions, my $question, 512, 0;
  my $answer = defined $peer ? answer($question) : undef;
  send $questions, $answer, 0, $peer if defined $answer;
}`;
