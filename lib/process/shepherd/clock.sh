#!/bin/sh
# The clock of one instance: its shepherds need no timer of their own as long as this one wakes up before their leases
# are over (see `covered` in shepherd.sh).
#
#   clock.sh DIR LEASE
#
# DIR is the directory `clock` of the instance, LEASE the shortest lease of its partitions, ms.
# Reads   the instance's lease; the lease and the acquisition of each partition
# Writes  DIR/promise, `pid start-time tick LEASE`, in place: it looks again by `tick`, boot-clock ms. Or `none BOOT-ID`:
#         here the kernel does not tell of its end.
# Holds   DIR/pipe open for writing, as descriptor 6, and nobody else does. So whoever listens there (see launch.sh) gets URG
#         when it dies, of whatever, and looks after itself.
# Exits   0: the lease is over, fewer than three partitions are left, or another clock is at work. When it cannot fork, dash exits.
#
# It knows nothing of what a shepherd may have. It wakes all of them, each to look for itself, unless it is sure that no
# lease ends before the next tick: the instance's was renewed, and each partition's lease and acquisition are what they
# were when all were woken last. What the guard takes from one partition it takes in those files, from a proof that is no
# older than the one that this tick was counted from: so the tick comes in time.
_dir=$1 _lease=$2 _instance=${1%/*} _heard='' _known='' _last=0 PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
exec 2>/dev/null 9>>"$_dir/exclusive"
flock -n 9 || exit 0
read -r _boot </proc/sys/kernel/random/boot_id
read -r _stat </proc/$$/stat
# Said once, there.
eval "$(sed -n '/^clock() {$/,/^}$/p; /^past() {$/,/^}$/p; /^lease() {$/,/^}$/p' "${0%/*}/shepherd.sh")"

# Tried, for leases hang on it: opens the pipe, and lets go of it, which it must hear itself.
heard() {
  [ "/proc/$$/fd/8" -ef "$_dir/pipe" ] || return
  trap '_heard=1' URG
  exec 6<>"$_dir/pipe"
  exec 6>&-
  trap - URG
  [ "$_heard" ]
}

# Whether the instance's lease runs; _tick is the first moment at which one that it renews may end.
renewed() {
  lease "$_instance/lease" && [ "$_first" = "$_boot" ] && _proof=$_second || return
  clock
  past "$_proof" && _tick=$((_proof + _lease)) && [ "$_now" -lt "$_tick" ]
}

# What could not be read is like nothing else.
digest() {
  { cat "$_instance"/partition/*/lease "$_instance"/partition/*/acquisition || echo "$$ $_now"; } | sha256sum
}

main() {
  heard || { echo "none $_boot" >"$_dir/promise" && exit 0; }
  exec 6<>"$_dir/pipe" 8<&-
  set -- ${_stat##*) }
  _start=${20}
  while renewed && set -- "$_instance"/partition/*/acquisition && [ -e "${3-}" ]; do
    _digest=$(exec 6>&- 9>&- && digest)
    # Before they are woken: they go by it.
    echo "$$ $_start $_tick $_lease" >"$_dir/promise"
    [ "$_digest" ] && [ "$_digest" = "$_known" ] && [ "$_proof" -ge "$_last" ] || { echo >&6 && read -r _skip <&6; }
    _known=$_digest _last=$_proof
    clock
    # A little before the tick, for then the lease is renewed already: a shepherd whose own timer ends at the tick finds the
    # next promise.
    _until=$((_tick - _lease / 20))
    [ "$_now" -lt "$_until" ] || _until=$((_tick + 10))
    nap $((_until - _now)) || break
  done
  : >"$_dir/promise"
}

nap() {
  [ "$1" -gt 0 ] || return 0
  set -- "$1" $(($1 % 1000 + 1000))
  # Beside us: for one in front of us dash would put descriptor 6 elsewhere meanwhile.
  LC_ALL=C sleep "$(($1 / 1000)).${2#1}" 6>&- 9>&- &
  wait "$!"
}

main
exit 0
