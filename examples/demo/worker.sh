#!/bin/sh
# The process of one partition of the demo. Its work: every 50 ms it adds one numbered line to the partition's ledger,
# and it goes on where whoever had the partition before stopped. Two at once would write a number twice.
#   worker.sh <directory of the ledgers> <beats file>
# Each line is also a beat: <boot clock, ms> <instance> <pid> <partition> <token>; the last one after SIGTERM ends in
# "stop". The demo's summary is computed from these alone.
set -u
ledger=$1/$WATCHBILL_PARTITION
exec 3>>"$2" 4>>"$ledger"

number=0
while read -r last _; do number=$last; done <"$ledger"

beat() {
  read -r now _ </proc/uptime
  printf '%s\t%s\t%s\t%s\t%s%b\n' "${now%.*}${now#*.}0" "$WATCHBILL_INSTANCE" "$$" \
    "$WATCHBILL_PARTITION" "$WATCHBILL_TOKEN" "$1" >&3
}

trap 'beat "\tstop"; exit 0' TERM
while [ -e "$2" ]; do
  beat ''
  number=$((number + 1))
  printf '%s %s\n' "$number" "$WATCHBILL_INSTANCE" >&4
  sleep 0.05
done
