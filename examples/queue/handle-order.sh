#!/bin/sh
# The process of one order: it writes down what it was given, and works until it is stopped.
printf '%s %s %s %s\n' "$WATCHBILL_PARTITION" "$WATCHBILL_TOKEN" "$WATCHBILL_INSTANCE" "$(cat "$WATCHBILL_PAYLOAD")" >>"$HANDLED"
exec sleep 1000000
