#!/bin/sh
# Runs one hook of one event, once, whoever starts it twice.
#
#   hook.sh DIR LIMIT command…
#
# DIR is the event's directory, LIMIT seconds. The command reads DIR/input; what it prints goes to DIR/output.
# Writes  DIR/exit, the status in one line: 124 when the time was over. A text without its newline is not written yet.
# It goes on when the program that started it is killed: the next one finds how it ended.
_tools=/usr/sbin:/usr/bin:/sbin:/bin
PATH=${PATH:-$_tools}
# The definition's run.env may hold any PATH.
command -v flock >/dev/null && command -v timeout >/dev/null || PATH=$PATH:$_tools
_dir=$1 _limit=$2
shift 2
exec 9>>"$_dir/exclusive"
flock -n 9 || exit 0
[ ! -e "$_dir/exit" ] || exit 0
timeout -k 1 "$_limit" "$@" <"$_dir/input" >"$_dir/output" 2>&1 9>&-
printf '%s\n' "$?" >"$_dir/exit"
