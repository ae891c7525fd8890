#!/bin/sh
# The first process of a container, which has to reap whoever lost its parent: neither Consul nor Node does.
#
#   init.sh command…
#
# Starts the command, hands it every signal that we get, and reaps. When the command ends, so do we, with its status
# (128 + n for a signal); the kernel then ends whatever is left in the container. The shell does the reaping: while it
# waits for one child, it takes every child that ends.
_got='' _early='' _child=''

pass() {
  _got=1
  if [ "$_child" ]; then kill -s "$1" "$_child" 2>/dev/null; else _early="$_early $1"; fi
}

# What is typed at a terminal reaches the command by itself: it stays in our process group.
typed() { [ -t 0 ] && _got=1 || pass "$1"; }

for _signal in TERM HUP USR1 USR2; do trap "pass $_signal" "$_signal"; done
for _signal in INT QUIT; do trap "typed $_signal" "$_signal"; done

# A job in the background would have no stdin, and ignore what is typed.
! env --default-signal=INT,QUIT true 2>/dev/null || set -- env --default-signal=INT,QUIT "$@"
exec 3<&0
"$@" <&3 3<&- &
_child=$!
exec 3<&-
for _signal in $_early; do kill -s "$_signal" "$_child"; done

while :; do
  _got=''
  wait "$_child"
  _status=$?
  [ "$_got" ] || exit "$_status"
  # A signal may have cut the wait short; or it came just after.
  kill -s 0 "$_child" 2>/dev/null && continue
  wait "$_child" 2>/dev/null
  _again=$?
  [ "$_again" = 127 ] || exit "$_again"
  exit "$_status"
done
