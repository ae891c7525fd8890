#!/bin/sh
# Runs one check of one partition once.
#
#   check.sh DIR PARTITION LIMIT command…
#
# DIR is the check's directory, PARTITION the partition's, LIMIT is in seconds. The command's output goes to DIR/output.
# Writes  DIR/exit, the exit status on one line; 124 means timeout. A line without its newline is not complete yet.
# The command carries the partition's mark, so it ends with the partition: see lib/machine/marks.ts.
_dir=$1 _partition=$2 _limit=$3
shift 3
# The definition's run.env may set any PATH.
command -v timeout >/dev/null || PATH=$PATH:/usr/bin:/bin
(
  unset WATCHBILL_MARK
  read -r _mark <"$_partition/mark" && export WATCHBILL_MARK="$_mark" && { ulimit -w "$_mark" || ulimit -x "$_mark"; }
  export WATCHBILL_DIR="$_partition"
  exec timeout -k 1 "$_limit" "$@" >"$_dir/output" 2>&1 </dev/null
) 2>/dev/null
printf '%s\n' "$?" >"$_dir/exit"
