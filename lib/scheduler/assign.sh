#!/bin/sh
# Becomes a scheduler: joins its control group, limits itself, and changes its user.
#
#   assign.sh GROUP MARK LIMIT PROCESSES USER command…
#
# GROUP is the directory of the control group, or empty. MARK is the number that all descendants carry: see
# lib/machine/marks.ts. LIMIT is in seconds: timeout(1) ends the command when the program that started it is killed.
# PROCESSES is how many processes its user may have, or empty. USER is the user that it becomes, or empty.
set -f
_group=$1 _mark=$2 _limit=$3 _processes=$4 _user=$5
shift 5
_tools=/usr/sbin:/usr/bin:/sbin:/bin
PATH=${PATH:-$_tools}
command -v timeout >/dev/null && command -v id >/dev/null || PATH=$PATH:$_tools

{
  [ -z "$_group" ] || printf 0 >"$_group/cgroup.procs"
  # Where memory is short, this goes before any partition.
  printf 1000 >/proc/self/oom_score_adj
  ulimit -w "$_mark" || ulimit -x "$_mark"
  ulimit -c 0
  # 64 MiB in each file.
  ulimit -f 131072
  # dash, then bash
  [ -z "$_processes" ] || ulimit -p "$_processes" || ulimit -u "$_processes"
} 2>/dev/null

if [ -n "$_user" ] && [ "$(id -un)" != "$_user" ]; then
  _id=$(id -u "$_user") && _main=$(id -g "$_user") || exit 126
  command -v setpriv >/dev/null || { echo 'setpriv is missing (Debian package util-linux)' >&2 && exit 126; }
  set -- setpriv --reuid="$_id" --regid="$_main" --init-groups --no-new-privs --inh-caps=-all "$@"
fi
exec nice -n 10 timeout -s KILL "$_limit" "$@"
