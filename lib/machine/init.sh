#!/bin/sh
# The first process of a container. It must reap orphaned processes, because neither Consul nor Node does.
#
#   init.sh command…
#
# Starts the command, forwards every signal, and reaps. When the command ends, this script ends with the same status
# (128 + n for a signal), and the kernel ends every other process of the container. The shell itself reaps: while it
# waits for one child, it reaps every child that ends.
_got='' _early='' _child=''

pass() {
  _got=1
  if [ "$_child" ]; then kill -s "$1" "$_child" 2>/dev/null; else _early="$_early $1"; fi
}

# A signal typed at a terminal reaches the command by itself, because the command stays in our process group.
typed() { [ -t 0 ] && _got=1 || pass "$1"; }

for _signal in TERM HUP USR1 USR2; do trap "pass $_signal" "$_signal"; done
for _signal in INT QUIT; do trap "typed $_signal" "$_signal"; done

# A background job of a shell would have no stdin, and would ignore SIGINT and SIGQUIT.
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
  # A signal may have interrupted the wait, or arrived just after it.
  kill -s 0 "$_child" 2>/dev/null && continue
  wait "$_child" 2>/dev/null
  _again=$?
  [ "$_again" = 127 ] || exit "$_again"
  exit "$_status"
done
