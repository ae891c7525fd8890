#!/bin/sh
# The clock of one instance. Its shepherds have no timers while the clock promises to look at the leases before they are over
# (see `covered` in shepherd.sh).
#
#   clock.sh DIR LEASE
#
# DIR is the directory `clock` of the instance. LEASE is the shortest lease of its partitions, ms.
# Reads   the instance's lease; the lease and the acquisition of each partition; DIR/tended, when a guard last looked after the
#         clock, boot-clock ms
# Writes  DIR/promise, `pid start-time tick LEASE`, in place: the clock looks again by `tick`, boot-clock ms. Or `none BOOT-ID
#         TIME`: here nothing would tell the shepherds of the clock's end.
# Holds   DIR/exclusive locked as descriptor 9. DIR/pipe open for writing as descriptor 6, which nobody else has. So each
#         listener (see launch.sh) gets URG when the clock dies, whatever the cause, and sets a timer of its own.
# Exits   0: the lease is over; fewer than three partitions are left; another clock is at work; DIR was replaced; no guard looks
#         after it, as after a return to an older release, whose guard would not notice a stopped clock. When it cannot
#         fork, dash exits.
#
# The clock does not know what each shepherd may do. It wakes all of them, and each looks for itself. It leaves that out only
# when no lease ends before the next tick: the instance's lease was renewed, and the lease and acquisition of each partition
# are what they were when all were woken last. When the guard ends the lease of one partition it changes these files, and that
# lease counts from a proof that is not older than the one this tick counts from. So the tick is in time for it.
_dir=$1 _lease=$2 _instance=${1%/*} _heard='' _known='' _last=0 PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
exec 2>/dev/null 9>>"$_dir/exclusive"
flock -n 9 || exit 0
read -r _boot </proc/sys/kernel/random/boot_id
read -r _stat </proc/$$/stat
# These functions are the shepherd's.
eval "$(sed -n '/^clock() {$/,/^}$/p; /^past() {$/,/^}$/p; /^lease() {$/,/^}$/p' "${0%/*}/shepherd.sh")"

# Tests what leases depend on: this process must get URG for a line in the pipe, and for the end of the pipe's last writer. Lines
# that a killed clock left there are read first, because some kernels signal only the first line. Three times, because a launcher
# has the pipe open for a moment. And only shepherds that dash runs count on a clock.
heard() {
  [ "/proc/$$/fd/8" -ef "$_dir/pipe" ] && [ "/proc/$$/exe" -ef /bin/dash ] || return
  trap '_heard=$_heard.' URG
  for _try in 1 2 3; do
    while read -r _skip <&8; do :; done
    exec 6<>"$_dir/pipe"
    _heard=''
    echo >&6
    read -r _skip <&6
    _line=$_heard _heard=''
    exec 6>&-
    [ -z "$_line" ] || [ -z "$_heard" ] || break
  done
  trap - URG
  [ "$_line" ] && [ "$_heard" ]
}

# Whether the instance's lease runs. _tick is the first moment at which a lease that it renews may end.
renewed() {
  lease "$_instance/lease" && [ "$_first" = "$_boot" ] && _proof=$_second || return
  clock
  past "$_proof" && _tick=$((_proof + _lease)) && [ "$_now" -lt "$_tick" ]
}

# A guard writes it at least every 20 s and one interval of its own, which is less than half of a lease.
tended() { read -r _seen <"$_dir/tended" && past "$_seen" && [ $((_now - _seen)) -lt $((60000 + _lease)) ]; }

mine() { [ "/proc/$$/fd/6" -ef "$_dir/pipe" ]; }

# When a file cannot be read, the digest differs from every other.
digest() {
  { cat "$_instance"/partition/*/lease "$_instance"/partition/*/acquisition || echo "$$ $_now"; } | sha256sum
}

main() {
  heard || { clock; echo "none $_boot $_now" >"$_dir/promise"; exit 0; }
  exec 6<>"$_dir/pipe" 8<&-
  set -- ${_stat##*) }
  _start=${20}
  : >"$_dir/promise"
  while mine && renewed && tended && set -- "$_instance"/partition/*/acquisition && [ -e "${3-}" ]; do
    _digest=$(exec 6>&- 9>&- && digest)
    # Written before the shepherds are woken, because they read it. In place: a clock that is stopped here still has its name there.
    echo "$$ $_start $_tick $_lease" 1<>"$_dir/promise" || break
    [ "$_digest" ] && [ "$_digest" = "$_known" ] && [ "$_proof" -ge "$_last" ] || { echo >&6 && read -r _skip <&6; }
    _known=$_digest _last=$_proof
    clock
    # A little before the tick: the lease is renewed by then, and a shepherd whose own timer ends at the tick finds the next
    # promise.
    _until=$((_tick - _lease / 20))
    [ "$_now" -lt "$_until" ] || _until=$((_tick + 10))
    nap $((_until - _now)) || break
  done
  ! mine || : >"$_dir/promise"
}

nap() {
  [ "$1" -gt 0 ] || return 0
  set -- "$1" $(($1 % 1000 + 1000))
  # In the background: for a foreground command with redirections dash would move descriptor 6 for a while.
  LC_ALL=C sleep "$(($1 / 1000)).${2#1}" 6>&- 9>&- &
  wait "$!"
}

main
exit 0
