#!/usr/bin/env perl
# Writes a /proc/uptime that is so many seconds off:  uptime.pl FILE SECONDS
# The file is mounted over the real one, so it is written in place and never becomes shorter.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime);

my ($name, $off) = @ARGV;
my $boottime = 7; # CLOCK_BOOTTIME
open my $file, '+<', $name or die "cannot open $name: $!";
for (;;) {
  sysseek $file, 0, 0;
  syswrite $file, sprintf "%.2f 0.00\n", clock_gettime($boottime) + $off;
  select undef, undef, undef, 0.005;
}
