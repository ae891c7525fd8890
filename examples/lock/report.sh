#!/bin/sh
# The hourly report, run by cron on every machine, at five past on each of them:
#
#   5 * * * *  app  watchbill lock --wait 30m hourly-report -- /opt/app/report.sh
#
# The lock makes it one at a time, the key in Consul one an hour: whoever comes second finds the hour done. Five past,
# because clocks differ: a machine that is up to five minutes early still means the same hour. The hour is written when
# the report is: of a machine that dies half way through, the next one in the line takes over, and makes it.
#
# REPORT  the program that makes it; it is given the hour, and WATCHBILL_TOKEN, which a store can tell late writes by
# HOUR    another name of the hour, for trying this out
set -eu
hour=${HOUR:-$(date -u +%Y-%m-%dT%H)}
key=reports/hourly/done
# Consul's own exit status is 1 both for a key that is not there and for a Consul that cannot be read: only the first means
# that the report is not made yet.
if ! done=$(consul kv get "$key" 2>/dev/null); then
  why=$(consul kv get "$key" 2>&1) && why='it was away for a moment'
  case $why in
    *'No key exists'*) done='' ;;
    *) echo "report.sh: cannot read $key: $why" >&2 && exit 111 ;;
  esac
fi
[ "$done" != "$hour" ] || exit 0
"${REPORT:-/opt/app/make-report}" "$hour"
consul kv put "$key" "$hour" >/dev/null
