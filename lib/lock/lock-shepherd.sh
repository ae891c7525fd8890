#!/bin/sh
# The shepherd of a command under `watchbill lock`: stops the command and all its descendants when the lease is over, when
# `lock` is gone, or when `lock` says so. It needs neither Consul nor Node. Unlike a partition's shepherd it is not the
# command's parent: the command keeps lock's terminal and process group, and a signal to those must not reach the shepherd.
#
#   lock-shepherd.sh GRACE MARK
#
# Reads   fd 0, a pipe from `lock`: `gone` says that nothing is left, any other line, or its end, says stop
#         fd 3, a file without a name: `END PID START END`, the end of the lease (boot clock, ms) and the command (0 0 while
#         there is none). END stands there twice, so that a half-written line is not believed.
#         /proc/*/environ and /proc/*/limits: descendants of the command have MARK there, see lib/machine/marks.ts
# Stops   SIGTERM; SIGKILL after GRACE ms, or GRACE after the end of the lease if that is earlier
# Exits   0: nothing was left to stop; 1: it stopped something, and all is gone. Any other status: it could not go on, as when
#         the system refuses to fork. While `lock` lives, `lock` does the rest; otherwise builtins alone kill everything.
#
# The shell reads the whole file before main begins, so that the file may be replaced while it runs.

# Boot-clock ms.
clock() {
  _now=''
  read -r _now _rest </proc/uptime
  [ "$_now" ] || exit 3
  _now=$((${_now%.*} * 1000 + 1${_now#*.}0 - 1000))
}

note() {
  for _try in 1 2 3 4 5; do
    read -r _until _pid _born _again </proc/self/fd/3 && [ "$_until" = "$_again" ] && _end=$_until && return
  done
}

current() {
  note
  clock
  [ -z "$_asked" ] && [ "$_now" -lt "$_end" ]
}

# Sleeps, at most until `lock` asks for a stop: the trap then kills the sleep.
pause() {
  [ "$1" -gt 0 ] || set -- 1
  set -- "$1" $(($1 % 1000 + 1000))
  LC_ALL=C sleep "$(($1 / 1000)).${2#1}" 4<&- &
  _timer=$!
  [ -z "$_asked" ] || kill -s KILL "$_timer"
  wait "$_timer"
  _timer=
}

asked() {
  _asked=1
  [ -z "$_timer" ] || kill -s KILL "$_timer"
}

# `lock` has looked: nothing is left to stop.
dismissed() {
  trap - EXIT
  [ -z "$_timer" ] || kill -s KILL "$_timer"
  exit 0
}

# In the background: waits for a line from `lock`, or its end. Check the parent: it may be gone, and its pid reused.
listen() {
  read -r _word <&4
  read -r _skip _skip _skip _parent _skip </proc/self/stat
  case $_word in gone) _signal=USR1 ;; *) _signal=TERM ;; esac
  [ "$_parent" != "$1" ] || kill -s "$_signal" "$1"
}

# Reads _state, _threads and _start of a process from /proc. Its name, before the last `)`, may hold any characters.
look() {
  _stat=
  while read -r _line; do _stat=$_line; done <"/proc/$1/stat"
  [ "$_stat" ] || return 1
  set -- ${_stat##*) }
  _state=$1 _threads=${18} _start=${20}
}

# A zombie counts as gone, unless only its main thread has ended.
alive() {
  look "$1" && [ "$_start" = "$2" ] || return 1
  case $_state in [ZX]) [ "$_threads" -gt 1 ] ;; esac
}

add() {
  look "$1" || return
  case $_state in [ZX]) [ "$_threads" -gt 1 ] || return ;; esac
  case " $_known " in *" $1:$_start "*) ;; *) _known="$_known $1:$_start" ;; esac
}

# Whether any process is left. _known becomes the known processes that live and their descendants; if there are none, the
# processes with the mark.
anyone() {
  _living=
  for _one in $_known; do alive "${_one%:*}" "${_one#*:}" && _living="$_living $_one"; done
  _known=$_living
  for _one in $_known; do descendants "${_one%:*}"; done
  [ "$_known" ] || marked
  [ "$_known" ]
}

# Every thread has its own list of children. A child may have cleared its environment: the mark does not find it.
descendants() {
  while [ $# -gt 0 ]; do
    for _file in "/proc/$1/task/"*/children; do
      _children=
      read -r _children <"$_file"
      for _child in $_children; do add "$_child"; done
      set -- "$@" $_children
    done
    shift
  done
}

marked() {
  _marked=$(LC_ALL=C grep -lsF -e "$_id" /proc/[0-9]*/environ /proc/[0-9]*/limits 4<&-)
  [ $? -le 2 ] || exit 3 # grep could not be run, so it has not looked
  for _file in $_marked; do
    _one=${_file#/proc/} _one=${_one%/*}
    case $_file in */limits) trusted "$_one" || continue ;; esac
    add "$_one"
  done
}

# Any user can read the mark in a limit and set it for own processes: containment.ts in lib/process/containment/ says whose counts.
trusted() {
  user $$ && _me=$_user && user "$1"
  case $_user in 0 | "$_me") ;; *) [ "$_me" = 0 ] ;; esac
}

user() {
  _user=
  while read -r _key _user _rest && [ "$_key" != Uid: ]; do :; done <"/proc/$1/status"
}

# The last resort of a shell that cannot fork and whose `lock` is gone: builtins. It cannot sleep, so it kills and looks again.
last() {
  exec 0<&- # when no descriptor is left, this frees one to read with
  read -r _skip _skip _skip _parent _skip </proc/$$/stat
  [ "$_parent" != "$PPID" ] || exit 3
  for _try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ "$_pid" = 0 ] || ! alive "$_pid" "$_born" || _known="$_known $_pid:$_born"
    for _file in /proc/[0-9]*/limits; do
      while read -r _line; do
        case $_line in "Max file locks "*" $_id "*)
          _one=${_file#/proc/} _one=${_one%/*}
          ! trusted "$_one" || add "$_one"
          ;;
        esac
      done <"$_file"
    done
    for _one in $_known; do descendants "${_one%:*}"; done
    [ "$_known" ] || break
    send KILL
    _known=
  done
}

send() {
  for _one in $_known; do alive "${_one%:*}" "${_one#*:}" && kill -s "$1" "${_one%:*}"; done
}

# A suspended command gets the SIGTERM only after a SIGCONT. Wait until all processes are gone: to report that earlier would
# let the next holder begin.
stop() {
  _deadline=$(((_now < _end ? _now : _end) + _grace))
  [ "$_pid" = 0 ] || ! alive "$_pid" "$_born" || _known="$_pid:$_born"
  marked
  anyone && _status=1
  if [ "$_status" = 1 ] && [ "$_now" -lt "$_deadline" ]; then
    send TERM
    send CONT
    while clock && [ "$_now" -lt "$_deadline" ] && anyone; do LC_ALL=C sleep 0.02; done
  fi
  while anyone; do
    send KILL
    LC_ALL=C sleep 0.02
  done
}

main() {
  _grace=$1 _id=$2 _status=0 _asked='' _timer='' _known='' _end=0 _pid=0 _born=0
  exec 2>/dev/null 4<&0
  trap asked TERM
  trap dismissed USR1
  trap : HUP INT
  trap last EXIT
  listen $$ &
  _listener=$!
  while current; do pause $((_end - _now + 10)); done
  trap : TERM
  stop
  kill -s KILL "$_listener"
  trap - EXIT
  exit "$_status"
}

main "$@"; exit
