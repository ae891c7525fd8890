#!/bin/sh
# A process that tells only when it begins and when it is asked to end, in the form of test/lab/worker.sh: hundreds of
# them cost nothing.   quiet-worker.sh <beats file>
set -u
exec 3>>"$1"

beat() {
  read -r now _ </proc/uptime
  printf '%s\t%s\t%s\t%s\t%s%b\n' "${now%.*}${now#*.}0" "$WATCHBILL_INSTANCE" "$$" "$WATCHBILL_PARTITION" \
    "$WATCHBILL_TOKEN" "$1" >&3
}

trap 'beat "\tstop"; kill "$sleeper"; exit 0' TERM
sleep 100000 3>&- &
sleeper=$!
beat ''
wait "$sleeper"
