#!/bin/sh
# The shepherd: the tiny parent of one partition's process. It starts and restarts the process, writes down how it
# ended, and stops it when it is asked to (TERM) or when the lease is over. It needs neither Consul nor Node.
#
#   shepherd.sh DIR ACQUISITION LEASE GRACE always|on-failure|never SIGNAL N [stop command: N arguments] run command…
#
# DIR is the partition's state directory, LEASE and GRACE are ms; stdout and stderr are the partition's output.
# Reads   DIR/acquisition, DIR/lease (`from own`), and the instance's lease (`boot-id t0`) two directories above;
#         DIR/mark, the number that marks the process and its descendants (see machine/marks.ts); DIR/group, the path of its
#         control group, missing when there is none; DIR/limits (see process/limits/apply.ts); DIR/kept (see state/kept.ts).
# Writes  DIR/shepherd and DIR/process (`pid start-time`; empty when there is none), restarts (a number),
#         exit    `exit 1 after 2 s at T`, `exit 143 (signal 15) after …`: the shell cannot tell 143 from a signal;
#                 `exit 137 (signal 9), out of memory: …, after …` when the kernel has killed for memory, which `oom` counts;
#                 `exit 137 (signal 9), SIGKILL after the grace period, after …` when it did not stop in time
#         status  `starting`, `running` (since `process` was written), `backing off: exit 1`, `finished: exit 0`,
#                 `crash-looping since T: exit 1`, `stopping: WHY`, `stopped, not swept`, `stopped: WHY`;
#                 WHY: asked, the lease is over, the acquisition is void
#         One line each, T in epoch seconds, written in place: a text without a newline is half written. A full disk costs the
#         facts, never the process.
# Holds   DIR/exclusive locked as descriptor 9. Descriptor 8, if the launcher opened it, is the pipe of the instance's clock
#         (clock.sh). While that clock watches the lease, the shepherd has no timer of its own.
# Exits   0: stopped, finished, or another shepherd is at work here. A shepherd that cannot fork, or read the clock, cannot keep
#         a lease: it then kills everything at once, with builtins alone.
#
# POSIX sh, and no fork where a builtin is enough: hundreds of shepherds share a machine. Variables start with an underscore,
# so that they never overwrite a variable of the process's environment.

prepare() {
  # dash takes the word `[` for a pattern, and a page of memory to expand it.
  set -f
  # Only an exec takes a mark out of /proc/PID/environ.
  [ -z "${WATCHBILL_DIR+set}${WATCHBILL_MARK+set}" ] || { unset WATCHBILL_DIR WATCHBILL_MARK && exec /bin/sh "$0" "$@"; }
  _dir=$1 _acquisition=$2 _lease=$3 _grace=$4 _policy=$5 _signal=${6#SIG} _n=$7
  _news='' _timer='' _waits='' _asked='' _looping='' _fails=0 _delay=100 _restarts=0 _end=0 _pid='' _others='' _home='' _mark=''
  _path=${PATH-/usr/bin:/bin} PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
  exec 9>>"$_dir/exclusive"
  flock -n 9 || exit 0
  exec 2>/dev/null
  # Functions that are seldom needed stay text: parsed, they would take five times the memory. They are read now, so that
  # this file may be replaced while the shepherd runs; and first, so that the memory for reading is used again.
  _seldom=$(sed '1,/^exit 0$/d; s/^ *//; /^#/d; /^$/d' "$0" 9>&-)
  read -r _boot </proc/sys/kernel/random/boot_id
  read -r _home <"$_dir/group"
  [ "$_home" ] && [ -w "$_home/cgroup.procs" ] || _home=''
  # The starter has written the mark. Nothing is started without a long number: processes are searched by it, and an empty
  # mark would match every process.
  read -r _mark <"$_dir/mark" || _mark=''
  # Only dash is known to lose no signal in `await`.
  _clock=${_dir%/*/*}/clock
  [ "/proc/$$/fd/8" -ef "$_clock/pipe" ] && [ "/proc/$$/exe" -ef /bin/dash ] || _clock=''
  case $_mark in *[!0-9]* | ????????????????????*) exit 0 ;; 1???????????????*) ;; *) exit 0 ;; esac
}

prepare "$@"
unset -f prepare

# Boot-clock ms, rounded up, so that a lease written a moment ago is never in the future.
clock() {
  _now=''
  read -r _now _rest </proc/uptime
  [ "$_now" ] || exit # the EXIT trap then kills everything
  _now=$((${_now%.*} * 1000 + 1${_now#*.}9 - 1000))
}

# A time that has come. Checked as text: in shell arithmetic garbage ends the shell, and 010 is eight.
past() {
  case $1 in '' | *[!0-9]* | 0?* | ???????????????*) false ;; *) [ "$1" -le "$_now" ] ;; esac
}

# The two words of a lease: _first and _second; false when there are none. The file holds the line twice and is written in
# place (lib/state/lease.ts says how). Two copies that differ were read while they were written, and are read again. A
# file of one line is an older release's.
lease() {
  for _try in 1 2 3 4 5; do
    { read -r _first _second && { read -r _line _copy || [ -z "$_line" ]; }; } <"$1" || return
    [ "${_line:-$_first} ${_copy:-$_second}" != "$_first $_second" ] || return 0
  done
  false
}

# Whether the process may run; if not, _why. Sets _now, _end to the end of the lease, and _renewed when the guard's proof
# counts for it.
current() {
  _until=0 _renewed=''
  lease "$_dir/lease" && _from=$_first _own=$_second || _own=''
  lease "${_dir%/*/*}/lease" && _id=$_first _t0=$_second || _id=''
  clock # after both: a lease that is written at this very moment must not lie ahead, and seem to be none
  past "$_own" && _until=$((_own + _lease))
  # What the guard renewed counts only within this boot, and from when this acquisition was made.
  [ "$_own" ] && [ "$_id" = "$_boot" ] && past "$_from" && past "$_t0" && [ "$_t0" -ge "$_from" ] &&
    [ $((_t0 + _lease)) -gt "$_until" ] && _until=$((_t0 + _lease)) && _renewed=1
  # Read last: a lease that belongs to the next acquisition is never taken for ours.
  _why='the acquisition is void'
  read -r _line <"$_dir/acquisition" && [ "$_line" = "$_acquisition" ] || return
  [ "$_until" = 0 ] || _end=$_until
  [ "$_now" -lt "$_until" ] || seldom kept
  _why=asked
  [ -z "$_asked" ] || return
  _why='the lease is over'
  [ "$_now" -lt "$_until" ]
}

# Reads _state, _group, _threads and _start of a process from /proc. Its name, before the last `)`, may hold any characters.
look() {
  _stat=
  while read -r _line; do _stat=$_line; done <"/proc/$1/stat"
  [ "$_stat" ] || return 1
  set -- ${_stat##*) }
  _state=$1 _group=$3 _threads=${18} _start=${20}
}

put() { printf '%s\n' "$2" >"$_dir/$1"; }

# Sleeps, at most until there is news. A caller clears _news before it looks at the world, so that a signal between
# that look and the wait ends the timer at once. It waits again for the timer, because the first wait may have been cut
# short, and a shell keeps a job in memory until it was waited for.
pause() {
  [ "$1" -gt 0 ] || set -- 1
  set -- "$1" $(($1 % 1000 + 1000))
  LC_ALL=C sleep "$(($1 / 1000)).${2#1}" >&2 9>&- &
  _timer=$!
  [ -z "$_news" ] || news
  eval "$_wait"
  [ "$_news" ] || news
  wait "$_timer"
  _timer=
}

# Ends the timer, as long as it is ours: it is reaped only in `wait`, so its pid is nobody else's.
news() {
  _news=1
  [ "$_timer" ] && read -r _skip _skip _skip _by _skip <"/proc/$_timer/stat" && [ "$_by" = $$ ] &&
    kill -s KILL "$_timer"
}

# Whether the instance's clock looks at this lease before it is over. It must live and hold the pipe that this shepherd listens
# to: then its end is signalled. It does not watch an acquisition's own lease, nor one shorter than it promises.
covered() {
  [ "$_clock" ] && [ "$_renewed" ] && [ -z "$_looping" ] && read -r _by _skip _tick _least <"$_clock/promise" &&
    [ "$_tick" -gt "$_now" ] && [ "$_tick" -le "$_end" ] && [ "$_least" -le "$_lease" ] &&
    [ "/proc/$_by/fd/6" -ef "/proc/$$/fd/8" ]
}

# Waits for news, or the end of the process, without a timer. A signal may come just before the `wait`: its trap then leaves
# this function, and only this one, with `return`.
await() {
  _waits=1
  [ "$_news" ] || wait "$_pid"
  _waits=
}

# Whether the process is there, as cheaply as can be: its state and parent follow its name. A zombie may yet have other
# threads. (bash keeps what it was not asked to read of a /proc file, and gives it to the next read: read to the end.)
running() {
  _stat=''
  read -r _stat <"/proc/$_pid/stat"
  case $_stat in *") "[!ZX]" $$ "*) ;; *) seldom alive "$_pid" "$_born" ;; esac
}

# Starts the process and watches it until it ended by itself (true), or must be stopped (false).
run() {
  set -f
  [ "$_fails" = 0 ] || put restarts $((_restarts += 1))
  clock
  _began=$_now _code='' _others='' _pid='' _forced=''
  # Not a fact yet, but enough to tell the next shepherd, should this one be killed, that there may be strays.
  printf starting >"$_dir/process"
  seldom run_command "$@" &
  _pid=$!
  _born=$(look "$_pid" && echo "$_start")
  put process "$_pid $_born"
  [ "$_looping" ] || put status running
  while _news='' && running; do
    current || return
    [ -z "$_looping" ] || seldom calm
    if covered; then await; else pause $((_end - _now + 10)); fi
  done
}

seldom() {
  set +f
  eval "$_seldom"
  "$@"
}

main() {
  # `_news` is set first, because another signal may come between any two of these commands. `return` leaves `await`, with 0:
  # the last status in `run` says whether the process ended by itself.
  _heard='_news=1; [ -z "$_waits" ] || { _waits=; return 0; }; news'
  # In dash and in POSIX a trapped CHLD cuts `wait` short. bash 5.2 loses exit codes that way, but can wait for whichever
  # child ends first.
  if [ "${BASH_VERSINFO-}" ]; then set +o posix && _wait='wait -n'; else trap "$_heard" CHLD && _wait='wait "$_timer"'; fi
  # Handlers, not '': what is ignored stays ignored in the process. URG: the clock looked, or has ended.
  trap "$_heard" URG
  trap "_asked=1; $_heard" TERM
  trap : HUP INT XFSZ
  # A shell that cannot fork exits. It forks for each timer, so from there on nothing would end the process in time.
  trap 'seldom last' EXIT
  shift 7
  put shepherd "$$ $(look $$ && echo "$_start")"
  put status starting
  put restarts 0
  # A shepherd that was killed here has left something in this fact, and perhaps strays.
  [ ! -s "$_dir/process" ] || seldom sweep
  while current; do
    run "$@" || { seldom stop "$@"; break; }
    seldom settle || return
  done
  put status "stopped: $_why"
  printf '' >"$_dir/process"
}

main "$@"
trap - EXIT
exit 0

# --- seldom needed: evaluated where a process starts or ends ---

_steady=60000 # a run of so many ms was no crash

run_command() { shift "$_n" && become "$@"; }

stop_command() {
  _run=$(($# - _n))
  while [ "$_n" -gt 0 ]; do set -- "$@" "$1" && shift && _n=$((_n - 1)); done
  shift "$_run"
  export WATCHBILL_PID="$_pid"
  become "$@"
}

# A process whose lease is over goes on while its machine is cut off, where its acquisition says so: lib/state/kept.ts has the
# format. It is looked at again one lease later. Asked to stop, it still gets its grace period.
kept() {
  read -r _id _line _rest <"$_dir/kept" && [ "$_id" = "$_boot" ] && [ "$_line" = "$_acquisition" ] || return
  _until=$((_now + _lease)) _renewed=''
  _end=$_until
}

# Becomes a command, in a subshell. It leads a session and a group of its own, dies with the shepherd where setpriv can
# see to that, is in the partition's control group, and is marked. Until the mark stands in /proc/PID/environ it holds
# descriptor 9, so that nobody starts a second one unseen. With another parent by then, the shepherd died too early to be
# noticed. Background jobs of a shell ignore INT and QUIT; env undoes that.
become() {
  # What this machine's tools can do is found out once: it costs forks.
  _env='' && read -r _env <"${_dir%/*/*}/tools"
  case $_env in
    'setpriv --pdeathsig KILL env --default-signal=INT,QUIT' | 'setpriv --pdeathsig KILL env' | \
      'env --default-signal=INT,QUIT' | env) ;;
    *)
      for _env in 'setpriv --pdeathsig KILL env --default-signal=INT,QUIT' 'setpriv --pdeathsig KILL env' \
        'env --default-signal=INT,QUIT' env; do $_env >&2 9>&- && break; done
      printf '%s\n' "$_env" >"${_dir%/*/*}/tools"
      ;;
  esac
  export WATCHBILL_DIR="$_dir" WATCHBILL_MARK="$_mark"
  ulimit -w "$_mark" || ulimit -x "$_mark" # the limit on file locks: dash's name for it, and bash's
  [ -z "$_home" ] || printf 0 >"$_home/cgroup.procs"
  while read -r _key _value; do
    [ "$_key" != join ] || printf 0 >"$_value" || exit 125 # never without a limit
  done <"$_dir/limits"
  exec setsid $_env PATH="$_path" /bin/sh -c \
    '[ "$PPID" = "$1" ] || exit; shift; exec 8<&- 9>&-; exec "$@"' watchbill $$ "$@" 2>&1
}

# Zombies are gone (kill -0 would find them, and a container's pid 1 may never reap), unless only the main thread ended.
# Of a child kill -0 tells when /proc cannot be read, as when there are no descriptors left: to wait for it would block.
alive() {
  look "$1" || case $1 in "$_pid" | "$_asking") kill -s 0 "$1"; return ;; *) return 1 ;; esac
  [ "$_start" = "$2" ] || return 1
  case $_state in [ZX]) [ "$_threads" -gt 1 ] ;; esac
}

# How the run ended.
reap() {
  wait "$_pid"
  _code=$?
  clock
  _epoch=$(date +%s 9>&-) _ran=$((_now - _began)) _how="exit $_code"
  [ "$_code" -le 128 ] || _how="$_how (signal $((_code - 128)))"
  outgrown
  put exit "$_how$_forced after $((_ran / 1000)) s at $_epoch"
}

# Whether the kernel has killed something here for memory since that was last looked at, and for which limit: one that was
# never reached, or is not there, is not its own. A guard that looked a moment before the end has counted it already.
outgrown() {
  _kills=0 _full=1 _limit=''
  while read -r _key _value _text; do
    [ "$_key" != oom ] || { _limit=$_text && killed "$_value"; }
  done <"$_dir/limits"
  [ "$_limit" ] || [ -z "$_home" ] || killed "$_home/memory.events"
  [ "$_kills" != 0 ] || return
  _before=0 _at=0
  read -r _before _at <"$_dir/oom"
  [ "$_kills" -gt "$_before" ] || { [ "$_code$_forced" = 137 ] && [ "$_at" -ge $((_epoch - 2)) ]; } || return
  [ "$_limit" ] && [ "$_full" != 0 ] && _limit="more than $_limit" ||
    _limit='the machine, or a control group around its own, had none left'
  _how="$_how, out of memory: $_limit" && put oom "$_kills $_epoch"
}

# The counters of version 2, and the one of version 1.
killed() {
  while read -r _what _count; do
    case $_what in oom) _full=$_count ;; oom_kill) _kills=$_count ;; esac
  done <"$1"
}

# After a run that ended by itself: false when there shall be no other. A crash loop keeps its first sentence, so that
# nobody is told the same thing, or another code, every few seconds.
settle() {
  put_down
  sweep
  printf '' >"$_dir/process"
  case $_policy:$_code in never:* | on-failure:0) put status "finished: $_how"; return 1 ;; esac
  [ "$_ran" -lt "$_steady" ] || _fails=0 _delay=100 _looping=''
  [ "$_fails" -gt 0 ] || _row=$_epoch
  _fails=$((_fails + 1)) _resume=$((_now + _delay)) _delay=$((_delay < 15000 ? _delay * 2 : 30000))
  if [ "$_fails" -lt 3 ]; then put status "backing off: $_how"
  elif [ -z "$_looping" ]; then _looping=1 && put status "crash-looping since $_row: $_how"; fi
  while _news='' && current && [ "$_now" -lt "$_resume" ]; do
    pause $(((_resume < _end ? _resume : _end) - _now))
  done
}

calm() { [ $((_now - _began)) -lt "$_steady" ] || { _looping='' && put status running; }; }

# All is over by the end of the lease + GRACE, however late the shepherd was asked or woke up.
stop() {
  put status "stopping: $_why"
  _deadline=$(((_now < _end ? _now : _end) + _grace))
  # Woken too late, after a freeze: another may run this already, so whoever bears the mark goes first.
  [ "$_now" -lt "$_deadline" ] || { signal KILL && sweep; }
  descendants
  if [ "$_now" -lt "$_deadline" ]; then
    [ "$_n" = 0 ] || ask "$@"
    descendants
    anyone && signal "$_signal"
    while _news='' && clock && [ "$_now" -lt "$_deadline" ] && anyone; do doze "$_deadline"; done
    descendants
  fi
  ! anyone || _forced=', SIGKILL after the grace period,'
  put_down
  ! [ -e "$_dir/releasing" ] || relief
  sweep
}

# The handler that took the acquisition away looks for strays itself, once for all that it stops, and ends us then. From
# here on nothing is started any more. If it does not come, we sweep.
relief() {
  clock
  [ "$_now" -lt "$_deadline" ] || return
  put status 'stopped, not swept'
  _news='' && pause $((_deadline - _now < 1000 ? _deadline - _now : 1000))
}

# The stop command has half of the time. If it fails, the signal follows at once.
ask() {
  stop_command "$@" &
  _asking=$! _half=$((_now + (_deadline - _now) / 2))
  look "$_asking" && _asked_at=$_start
  while _news='' && clock && [ "$_now" -lt "$_half" ] && { anyone || [ "$_asking" ]; }; do
    [ -z "$_asking" ] || alive "$_asking" "$_asked_at" || {
      wait "$_asking" || _half=0
      _asking=
    }
    doze "$_half"
  done
  [ "$_asking" ] && alive "$_asking" "$_asked_at" && { kill -s KILL -- "-$_asking" || kill -s KILL "$_asking"; }
}

# SIGKILL for those known. It ends when all are gone: to say so earlier, of a process stuck in the kernel, would let a
# successor start.
put_down() {
  _nap=20
  while _news='' && anyone && signal KILL; do nap; done
}

# The same for whoever bears the mark, in its environment or as its limit.
sweep() {
  _nap=20
  while _marked=$(LC_ALL=C grep -lsF -e "$_mark" /proc/[0-9]*/environ /proc/[0-9]*/limits 9>&-); looked $? && [ "$_marked" ]; do
    _found=
    for _file in $_marked; do
      _one=${_file#/proc/} _one=${_one%/*}
      case $_file in */limits) trusted "$_one" || continue ;; esac
      dead "$_one" || _found="$_found $_one"
    done
    [ "$_found" ] || break
    for _one in $_found; do kill -s KILL "$_one"; done
    _news='' && nap
  done
}

# A grep that could not be run has not looked: too many arguments, no memory. Then builtins do, from the EXIT trap.
looked() { [ "$1" -le 2 ] || exit; }

# Everybody can read the limit, and set his own to it: whose it counts for is said in process/containment/containment.ts.
trusted() {
  user $$ && _me=$_user && user "$1"
  case $_user in 0 | "$_me") ;; *) [ "$_me" = 0 ] && [ -z "$_home" ] ;; esac
}

user() {
  _user=
  while read -r _key _user _rest && [ "$_key" != Uid: ]; do :; done <"/proc/$1/status"
}

# A zombie keeps its limits.
dead() { ! look "$1" || case $_state in [ZX]) [ "$_threads" -le 1 ] ;; *) false ;; esac; }

# Whether anybody lives in the control group, or below it.
housed() {
  _populated=0
  [ -z "$_home" ] || while read -r _key _value; do
    [ "$_key" != populated ] || _populated=$_value
  done <"$_home/cgroup.events"
  [ "$_populated" != 0 ]
}

# Ends the whole control group at once. Before Linux 5.14: stands it still, so that nobody forks, and kills one by one.
raze() {
  [ -z "$_home" ] || printf 1 >"$_home/cgroup.kill" || {
    printf 1 >"$_home/cgroup.freeze"
    while read -r _one; do kill -s KILL "$_one"; done <"$_home/cgroup.procs"
    printf 0 >"$_home/cgroup.freeze"
  }
}

# What is left to a shell that cannot fork: builtins. It cannot wait either, so it kills and looks until nobody lives.
last() {
  for _try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -z "$_pid" ] || { descendants && signal KILL; }
    raze
    _found=
    for _file in /proc/[0-9]*/limits; do
      while read -r _line; do
        case $_line in "Max file locks "*" $_mark "*)
          _one=${_file#/proc/} _one=${_one%/*}
          ! trusted "$_one" || dead "$_one" || _found="$_found $_one"
          ;;
        esac
      done <"$_file"
    done
    for _one in $_found; do kill -s KILL "$_one"; done
    [ "$_found" ] || housed || break
  done
  put status "stopped: no process could be started, or no clock read, to keep the lease by"
}

nap() { pause "$_nap" && [ "$_nap" -gt 500 ] || _nap=$((_nap * 2)); }

# Waits for the leader's end; or looks often when only others are left, for theirs is not announced.
doze() {
  [ -z "$_code" ] || [ "$_now" -gt $(($1 - 50)) ] || set -- $((_now + 50))
  pause $(($1 - _now))
}

# Once to each: many programs take a second signal for an order to hurry. Before setsid there is no group yet.
signal() {
  [ "$1" != KILL ] || raze
  if [ -z "$_code" ]; then kill -s "$1" -- "-$_pid" || kill -s "$1" "$_pid"
  elif [ ! -d "/proc/$_pid" ]; then kill -s "$1" -- "-$_pid"; fi
  for _one in $_others; do
    alive "${_one%:*}" "${_one#*:}" && [ "$_group" != "$_pid" ] && kill -s "$1" "${_one%:*}"
  done
  true
}

# Whether anybody is left of the group and of _others, which is cut down to the living.
anyone() {
  if [ -z "$_code" ]; then
    if alive "$_pid" "$_born"; then return; fi
    reap
  fi
  _living=
  for _one in $_others; do alive "${_one%:*}" "${_one#*:}" && _living="$_living $_one"; done
  _others=$_living
  # The leader is reaped: a process with its pid would be a stranger, and show that the group is empty.
  if [ -z "$_others" ] && [ ! -d "/proc/$_pid" ] && kill -s 0 -- "-$_pid"; then
    for _file in $(LC_ALL=C grep -lsE "\) [^ZX] [0-9]+ $_pid " /proc/[0-9]*/stat 9>&-); do
      _one=${_file#/proc/} _one=${_one%/stat}
      look "$_one" && [ "$_group" = "$_pid" ] && _others="$_others $_one:$_start"
    done
  fi
  [ "$_others" ] || housed
}

# Adds to _others the descendants that left the group, and who is in the control group, as pid:start-time. Every thread
# has children of its own.
descendants() {
  [ -z "$_home" ] || while read -r _one; do remember "$_one"; done <"$_home/cgroup.procs"
  alive "$_pid" "$_born" && set -- "$_pid" || set --
  while [ $# -gt 0 ]; do
    for _file in "/proc/$1/task/"*/children; do
      _children=
      read -r _children <"$_file"
      set -- "$@" $_children
    done
    remember "$1"
    shift
  done
}

remember() {
  look "$1" && [ "$_group" != "$_pid" ] || return
  case "$_others " in *" $1:$_start "*) ;; *) _others="$_others $1:$_start" ;; esac
}
