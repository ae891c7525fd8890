#!/bin/sh
# A consumer that says how far it is: worker.sh PARTITION DIRECTORY. It stands still while DIRECTORY/sick.PARTITION is there and
# names its pid, or nothing yet.
offset=0 sick="$2/sick.$1"
while :; do
  [ -e "$sick" ] && { read -r pid <"$sick" || pid=; [ -n "$pid" ] || echo $$ >"$sick"; [ "${pid:-$$}" = $$ ]; } ||
    offset=$((offset + 1))
  printf '# TYPE consumer_offset counter\nconsumer_offset_total %s\n' "$offset" >"$WATCHBILL_METRICS.new"
  mv "$WATCHBILL_METRICS.new" "$WATCHBILL_METRICS"
  sleep "${3:-0.5}"
done
