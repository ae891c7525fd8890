#!/bin/sh
# A worker with versions: like test/lab/worker.sh, but it beats every 200 ms, and its version says how it fails.
#   worker.sh <beats file> <version>     2.0-crash ends at once, 2.0-late after 5 s; 2.0-check is failed by its check
set -u
file=$1 version=$2
case $version in *-crash) exit 1 ;; esac
late='' left=25
case $version in *-late) late=1 ;; esac
exec 3>>"$file"
beat() {
  read -r now _ </proc/uptime
  printf '%s\t%s\t%s\t%s\t%s%b\n' "${now%.*}${now#*.}0" "$WATCHBILL_INSTANCE" "$$" "$WATCHBILL_PARTITION" "$WATCHBILL_TOKEN" "$1" >&3
}
trap 'beat "\tstop"; exit 0' TERM
while [ -e "$file" ]; do
  beat ''
  sleep 0.2
  [ -z "$late" ] || [ $((left -= 1)) -gt 0 ] || exit 1
done
