#!/bin/sh
# watchbill <program> [arguments]: runs the release in force, or the package's own copy as long as there is none.
release=${WATCHBILL_HOME:-/usr/local/lib/watchbill}/current
[ -x "$release/watchbill" ] || release=/usr/lib/watchbill/release
exec "$release/watchbill" "$@"
