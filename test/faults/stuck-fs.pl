#!/usr/bin/env perl
# A FUSE file system that never answers: a process that asks it for a file is stuck in the kernel, even after SIGKILL,
# until this program ends.  stuck-fs.pl MOUNTPOINT (x86-64)
use strict;
use warnings;

my $directory = shift;
my ($mount, $is_init) = (165, 26);
open my $fuse, '+<', '/dev/fuse' or die "cannot open /dev/fuse: $!";
my ($source, $type, $options) = ('stuck', 'fuse', 'fd=' . fileno($fuse) . ',rootmode=40000,user_id=0,group_id=0,allow_other');
syscall($mount, $source, $directory, $type, 0, $options) == 0 or die "cannot mount: $!";
while (sysread $fuse, my $request, 1 << 17) {
  my (undef, $opcode, $unique) = unpack 'L L Q', $request;
  next if $opcode != $is_init;
  my $answer = pack 'L L L L S S L L S S L7', 7, 31, 65536, 0, 0, 0, 4096, 1, 0, 0, (0) x 7;
  syswrite $fuse, pack('L l Q', 16 + length $answer, 0, $unique) . $answer;
}
