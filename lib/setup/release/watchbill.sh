#!/bin/sh
# watchbill <program> [arguments]: runs a program of this release, with its Node.
# Follows a symbolic link to this file without forking: forks would take a fifth of `lock`'s start time.
here=${0%/*}
[ ! -L "$0" ] || here=$(dirname -- "$(readlink -f -- "$0")")
case ${1-} in '' | -h | --help)
  cat <<'PROGRAMS'
LIST
PROGRAMS
  exit 0 ;;
esac
program=$1
shift
case $program in */* | .*) known= ;; *) known=$here/$program.cjs ;; esac
if [ ! -e "$known" ]; then
  echo "watchbill: permanent: cannot run $program: there is no such program; see watchbill --help" >&2
  exit 100
fi
. "$here/lib/caller.sh"
# Node also resets the signals that the caller ignores, as under nohup. The two programs below start commands that must ignore them too.
case $program in lock | agent)
  while read -r _name _value; do
    case $_name in SigIgn:) export WATCHBILL_CALLER_IGNORED="$_value" && break ;; esac
  done </proc/self/status ;;
esac
exec "$here/bin/node" "$known" "$@"
