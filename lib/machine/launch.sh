#!/bin/sh
# Starts shepherds, many at once. For Node a child costs 5 ms of CPU, for a shell a twentieth of that.
#
#   launch.sh HOW JOIN SHEPHERD CWD COUNT NAMES {DIR N ARGUMENT…}…  N arguments of the shepherd, its first one being DIR
#
# HOW is `exec`; or `fork`, for what ends soon: in a shell that is there already it costs a quarter less.
# JOIN holds the paths of cgroup.procs files, one per line: the launcher, and so the shepherds, move to those groups.
# The environment is the shepherds', but for the variables that differ between them: NAMES, whose values for the first
# one stand in _0_NAME, for the second one in _1_NAME, and so on: an argument could be read by everyone on the machine.
# Writes  DIR/launched, `pid start-time`. What a shepherd prints, and its process, goes to DIR/output.
set -f
_how=$1 _join=$2 _shepherd=$3 _cwd=$4 _count=$5 _names=$6
shift 6

# The mark of a partition that the agent was started from is not that of ours.
{ ulimit -w unlimited || ulimit -x unlimited; } 2>/dev/null
_ifs=$IFS IFS='
'
for _file in $_join; do printf 0 >"$_file"; done 2>/dev/null
IFS=$_ifs

# The soft limit of open files that Node came with.
[ -z "${_soft-}" ] || ulimit -Sn "$_soft"
unset _soft

# A variable that the environment brought is handed on; one that was unset and set again is not.
_i=0
while [ "$_i" -lt "$_count" ]; do
  for _name in $_names; do eval "_value=\$_${_i}_$_name; unset _${_i}_$_name; _${_i}_$_name=\$_value"; done
  _i=$((_i + 1))
done

become() {
  for _name in $_names; do eval "export $_name=\"\$_${_i}_$_name\""; done
  cd "$_cwd" || { printf 'cannot start: there is no way into %s\n' "$_cwd" >"$_dir/status" && exit 1; }
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
  # Gone already: then there is nothing to write down.
  read -r _stat <"/proc/$_pid/stat" && launched "$_stat"
  _i=$((_i + 1))
done
