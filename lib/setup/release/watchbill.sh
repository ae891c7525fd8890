#!/bin/sh
# watchbill <program> [arguments]: runs a program of this release, with its Node.
# Follows a symbolic link to this file without forking: forks would take a fifth of `lock`'s start time.
here=${0%/*}
[ ! -L "$0" ] || here=$(dirname -- "$(readlink -f -- "$0")")
# What is no program is what help answers to: watchbill alone, --help, --version, a typing mistake.
case ${1-} in
  '') set -- help --first ;;
  -h | --help) shift; set -- help "$@" ;;
  -V | --version) set -- help --version ;;
  */* | .* | -*) set -- help -- "$1" ;;
  *) [ -e "$here/$1.cjs" ] || set -- help -- "$1" ;;
esac
program=$1
shift
known=$here/$program.cjs
. "$here/lib/caller.sh"
# Node also resets the signals that the caller ignores, as under nohup. The two programs below start commands that must ignore them too.
case $program in lock | agent)
  while read -r _name _value; do
    case $_name in SigIgn:) export WATCHBILL_CALLER_IGNORED="$_value" && break ;; esac
  done </proc/self/status ;;
esac
exec "$here/bin/node" "$known" "$@"
