#!/bin/sh
# Runs one hook of one event once, even when it is started twice.
#
#   hook.sh DIR LIMIT command…
#
# DIR is the event's directory, LIMIT is in seconds. The command reads DIR/input; its output goes to DIR/output.
# Writes  DIR/exit, the exit status on one line; 124 means timeout. A line without its newline is not complete yet.
# It goes on when the program that started it is killed: the next program finds the result.
_tools=/usr/sbin:/usr/bin:/sbin:/bin
PATH=${PATH:-$_tools}
# The definition's run.env may set any PATH.
command -v flock >/dev/null && command -v timeout >/dev/null || PATH=$PATH:$_tools
_dir=$1 _limit=$2
shift 2
exec 9>>"$_dir/exclusive"
flock -n 9 || exit 0
[ ! -e "$_dir/exit" ] || exit 0
timeout -k 1 "$_limit" "$@" <"$_dir/input" >"$_dir/output" 2>&1 9>&-
printf '%s\n' "$?" >"$_dir/exit"
