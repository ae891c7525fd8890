#!/usr/bin/env perl
# The process of one partition in the fault lab. Every 50 ms it makes one write to a store that checks fencing tokens,
# and writes one line about it to the beats file, under the store's lock, so that both have the same order. The lines:
#   <boot clock, ms> <instance> <pid> <service>/<partition> <token>             tabs between; after SIGTERM and
#   <boot clock, ms> <instance> <pid> <service>/<partition> <token> stop        when the store refuses an older token:
#   <boot clock, ms> <instance> <pid> <service>/<partition> <token> refused
#
#   worker.pl BEATS STORE [stubborn] [child | grandchild] [title] [bare]
#
# With `child`, a second process beats too, under the pid of the first, so that both count as one. A `grandchild` has
# also left the group, the session and its parent. `title`: both set their titles, which removes their environment from
# /proc. `bare`: the second process starts again without watchbill's part of the environment. A `stubborn` process
# ignores SIGTERM. It is Perl, because a dozen shells that fork every 50 ms would starve the machine.
use strict;
use warnings;
use Fcntl qw(:flock);
use IO::Handle;
use POSIX qw(setsid _exit);
use Time::HiRes qw(clock_gettime);

# A set-uid perl trusts no outside value until it went through a pattern.
my ($beats, $store, @kinds) = map { /(.*)/s } @ARGV;
my %is = map { $_ => 1 } @kinds;
my ($instance, $token, $pid) = map { ($_ // '') =~ /(.*)/s } $ENV{WATCHBILL_INSTANCE}, $ENV{WATCHBILL_TOKEN}, $ENV{WORKER_PID} // $$;
my ($partition) = "$ENV{WATCHBILL_SERVICE}/$ENV{WATCHBILL_PARTITION}" =~ /(.*)/s;
my $second = $ENV{WORKER_SECOND};
my $stop = 0;
my $boottime = 7; # CLOCK_BOOTTIME

sub forked { my $child = fork; defined $child or die "cannot fork: $!"; !$child }

# The process between the two ends, so that the grandchild has no parent among them.
if (($is{child} || $is{grandchild}) && !$second) {
  if (forked) {
    if ($is{grandchild}) {
      setsid;
      _exit(0) unless forked;
    }
    $second = 1;
    if ($is{bare}) {
      @ENV{qw(WORKER_PID WORKER_SECOND)} = ($pid, 1);
      delete @ENV{qw(WATCHBILL_DIR WATCHBILL_MARK)};
      exec $^X, $0, @ARGV or die "cannot begin anew: $!";
    }
  } elsif ($is{grandchild}) {
    wait;
  }
}
$0 = 'worker' if $is{title};

open my $file, '>>', $beats or die "cannot open $beats: $!";
open my $highest, '+>>', "$store/" . ($partition =~ s/\W/-/gr) or die "cannot open the store: $!";
$file->autoflush(1);
$SIG{TERM} = $is{stubborn} ? 'IGNORE' : sub { $stop = 1 };

# True when a token is older than another: compared number by number, of any length.
sub older {
  my @left = split /\D+/, shift;
  my @right = split /\D+/, shift;
  return @left < @right if @left != @right;
  for my $i (0 .. $#left) {
    my ($l, $r) = map { s/^0+(?=\d)//r } ($left[$i], $right[$i]);
    return length $l < length $r if length $l != length $r;
    return $l lt $r if $l ne $r;
  }
  return 0;
}

sub write_to_store {
  flock $highest, LOCK_EX or die "cannot lock the store: $!";
  seek $highest, 0, 0;
  my $known = <$highest> // '';
  my $refused = $known ne '' && older($token, $known);
  if (!$refused && $known ne $token) {
    truncate $highest, 0;
    syswrite $highest, $token;
  }
  my $word = $stop ? "\tstop" : $refused ? "\trefused" : '';
  my $now = int(clock_gettime($boottime) * 1000);
  syswrite $file, "$now\t$instance\t$pid\t$partition\t$token$word\n";
  flock $highest, LOCK_UN;
}

# It also ends when its file is removed, so that no worker outlives its lab.
while (!$stop && -e $beats) {
  write_to_store;
  select undef, undef, undef, 0.05;
}
write_to_store if $stop && !$second;
