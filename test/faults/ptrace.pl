#!/usr/bin/env perl
# Holds a process like a debugger that stops it at its exit: SIGKILL alone does not end it.  ptrace.pl PID (x86-64)
use strict;
use warnings;

my $pid = 0 + shift;
my ($ptrace, $seize, $interrupt, $trace_exit) = (101, 0x4206, 0x4207, 0x40);
syscall($ptrace, $seize, $pid, 0, $trace_exit) == 0 or die "cannot seize $pid: $!";
syscall($ptrace, $interrupt, $pid, 0, 0) == 0 or die "cannot stop $pid: $!";
sleep;
