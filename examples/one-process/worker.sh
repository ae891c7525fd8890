#!/bin/sh
# One process for all partitions of an instance: runs "$@" for each, with WATCHBILL_PARTITION and WATCHBILL_TOKEN, and
# stops it when the partition's line is gone. (The ids must need no escapes in JSON: no quotes, no backslashes.)
nl='
'
held='' # "<pid> <line>" of each partition that it runs

stop() {
  kill "$1"
  while kill -0 "$1" 2>/dev/null; do wait "$1"; done # a signal cuts wait short
  printf '%s\n' "$2" >>"$WATCHBILL_CONFIRMATIONS"    # appended, a whole line at a time, when nothing of it runs any more
}

start() {
  WATCHBILL_PARTITION=$(printf '%s' "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
  WATCHBILL_TOKEN=$(printf '%s' "$line" | sed 's/.*"token":"\([^"]*\)".*/\1/')
  export WATCHBILL_PARTITION WATCHBILL_TOKEN
  "$@" &
  held="$held$! $line$nl"
}

look() {
  wanted=$(cat "$WATCHBILL_ASSIGNMENT" 2>/dev/null)$nl # no file, nothing left
  before=$held held=''
  while read -r pid line; do
    [ "$pid" ] || continue
    case $nl$wanted in *"$nl$line$nl"*) held="$held$pid $line$nl" ;; *) stop "$pid" "$line" ;; esac
  done <<EOF
$before
EOF
  while read -r line; do
    [ "$line" ] || continue
    case $held in *" $line$nl"*) ;; *) start "$@" ;; esac
  done <<EOF
$wanted
EOF
  while read -r line; do # taken back: what came and went before this look stands there, and nowhere else
    [ "$line" ] || continue
    case $before$held in *" $line$nl"*) ;; *) printf '%s\n' "$line" >>"$WATCHBILL_CONFIRMATIONS" ;; esac
  done <<EOF
$(cat "$WATCHBILL_STOPPING" 2>/dev/null)
EOF
}

news=1
trap 'news=1' WINCH # before the first look, or news could be missed
trap 'exit 0' TERM  # the signal has reached the whole group
while :; do
  [ -z "$news" ] || { news='' && look "$@"; }
  sleep 1 &
  wait $!
done
