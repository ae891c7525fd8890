#!/bin/sh
# Starts many shepherds at once. Starting a child costs Node 5 ms of CPU, a shell a twentieth of that.
#
#   launch.sh HOW JOIN SHEPHERD CWD COUNT NAMES {DIR N ARGUMENT…}…  N arguments of the shepherd, its first one being DIR
#
# HOW is `exec`, or `fork` for a script that ends soon: a fork of this shell costs a quarter less.
# JOIN holds the paths of cgroup.procs files, one per line: the launcher, and so the shepherds, move to those groups.
# The shepherds get this environment. NAMES are the variables that differ between them: the values for the first shepherd
# are in _0_NAME, for the second in _1_NAME, and so on. They are not arguments, which everyone on the machine can read.
# _clock in the environment is the path of a pipe. The shepherds get it as descriptor 8, and the kernel sends them URG when
# something is written to it, and when its last writer is gone.
# Writes  DIR/launched, `pid start-time`. The output of a shepherd and of its process goes to DIR/output.
set -f
_how=$1 _join=$2 _shepherd=$3 _cwd=$4 _count=$5 _names=$6
shift 6

# The agent itself may have been started from a partition: clear the mark of that one.
{ ulimit -w unlimited || ulimit -x unlimited; } 2>/dev/null
_ifs=$IFS IFS='
'
for _file in $_join; do printf 0 >"$_file"; done 2>/dev/null
IFS=$_ifs

# Restores the soft limit of open files, which Node raises.
[ -z "${_soft-}" ] || ulimit -Sn "$_soft"
unset _soft

# Opens the pipe, and asks the kernel for the signal: F_SETSIG, URG; F_SETOWN; F_SETFL, O_ASYNC. The owner is this process
# group, in which all shepherds stay: one perl for each would be expensive. The pipe is opened for reading only, because a
# listener that could write would hide the end of the clock. A shell would wait there for a writer, so descriptor 7 is one for
# a moment. PATH is the PATH of the processes.
listen() {
  _tools=/usr/bin:/bin
  [ -p "$_clock" ] || { PATH=$_tools mkdir -p -m 700 "${_clock%/*}" && PATH=$_tools mkfifo -m 600 "$_clock"; }
  [ -p "$_clock" ] && command exec 7<>"$_clock" && command exec 8</proc/self/fd/7 7>&- &&
    PATH=$_tools perl -e 'exit !(fcntl(STDIN, 10, 23) && fcntl(STDIN, 8, -getpgrp) && fcntl(STDIN, 4, 020000))' <&8 ||
    exec 7>&- 8<&-
}
[ -z "${_clock-}" ] || listen 2>/dev/null
unset _clock _tools

# A shell exports a variable that it got from its environment, but not one that was unset and set again.
_i=0
while [ "$_i" -lt "$_count" ]; do
  for _name in $_names; do eval "_value=\$_${_i}_$_name; unset _${_i}_$_name; _${_i}_$_name=\$_value"; done
  _i=$((_i + 1))
done

become() {
  for _name in $_names; do eval "export $_name=\"\$_${_i}_$_name\""; done
  cd "$_cwd" || { printf 'cannot start: cannot enter the working directory %s\n' "$_cwd" >"$_dir/status" && exit 1; }
  _arguments='' _k=0
  while [ "$_k" -lt "$_n" ]; do _k=$((_k + 1)) && _arguments="$_arguments \"\${$_k}\""; done
  eval "set -- $_arguments"
  exec >>"$_dir/output" 2>&1
  [ "$_how" = fork ] || exec /bin/sh "$_shepherd" "$@"
  . "$_shepherd"
}

launched() {
  set -- ${1##*) }
  printf '%s %s\n' "$_pid" "${20}" >"$_dir/launched"
}

_i=0
while [ "$_i" -lt "$_count" ]; do
  _dir=$1 _n=$2
  shift 2
  become "$@" &
  _pid=$!
  shift "$_n"
  # No /proc entry: it has ended already, and there is nothing to write down.
  read -r _stat <"/proc/$_pid/stat" && launched "$_stat"
  _i=$((_i + 1))
done
