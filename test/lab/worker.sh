#!/bin/sh
# The process of one partition, in tests and in the demo: every 50 ms it appends one line to the beats file
# (first argument, or BEATS). Fields are separated by tabs, for a partition's name may hold spaces:
#   <boot clock, ms> <instance> <pid> <partition> <token>          and, as the last one after SIGTERM:
#   <boot clock, ms> <instance> <pid> <partition> <token> stop
# The file alone shows which process ran which partition when: see test/lab/beats.ts.
# Nothing but `sleep` forks. It ends when its file is removed, so that no worker outlives its lab.
set -u
file=${1:-${BEATS:?names the beats file}}
# The descriptor is opened once, for appending: each line is then one write, which the kernel does not mix with others.
exec 3>>"$file"

# /proc/uptime, like lib/base/clock.ts: it has two decimals, so a zero makes milliseconds of them.
beat() {
  read -r now _ </proc/uptime
  printf '%s\t%s\t%s\t%s\t%s%b\n' "${now%.*}${now#*.}0" "${WATCHBILL_INSTANCE:--}" "$$" \
    "${WATCHBILL_PARTITION:--}" "${WATCHBILL_TOKEN:--}" "$1" >&3
}

trap 'beat "\tstop"; exit 0' TERM
while [ -e "$file" ]; do
  beat ''
  sleep 0.05
done
