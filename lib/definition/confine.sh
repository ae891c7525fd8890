#!/bin/sh
# Becomes a command within the limits of its definition (run.user, umask, nice, ulimit, readOnly, private).
#
#   confine.sh WORD… -- command…
#
# The words, in this order: best-effort, mounts, size=BYTES, read-only=DIR, private=DIR, nice=N, limit=NAME=N, umask=N,
# user=NAME, group=NAME. What cannot be done ends it with 125 and one line on stderr; with best-effort it is left out.
# It stays the same process all along, so that whoever started it knows its pid, and the parent's death still ends it.
set -f
_path=${PATH-/usr/bin:/bin} PATH=/usr/sbin:/usr/bin:/sbin:/bin
_easy='' _size=50% _mounts='' _nice='' _limits='' _user='' _group=''

cannot() {
  [ "$_easy" ] || { printf 'watchbill: cannot start: %s\n' "$1" >&2 && exit 125; }
}

# The root of this process only: nothing of it is seen outside. A path that is entered already would still be the old one.
begin_mounts() {
  if unshare --mount --propagation private true 2>/dev/null; then
    exec env PATH="$_path" "$(command -v unshare)" --mount --propagation private /bin/sh "$_self" inside "$@"
  fi
  cannot 'private and readOnly paths need the right to mount (CAP_SYS_ADMIN)'
  _mounts=none
}

private() {
  [ "$_mounts" != none ] || return 0
  mount -t tmpfs -o "nosuid,nodev,mode=1777,size=$_size" watchbill "$1" || cannot "$1 cannot be private"
}

# Options of the mount are kept: a remount would otherwise allow set-uid programs again.
read_only() {
  [ "$_mounts" != none ] || return 0
  { [ "$1" = / ] || mount --rbind "$1" "$1"; } && mount -o "remount,bind,ro$(options "$1")" "$1" ||
    cannot "$1 cannot be read-only"
}

# nice(1) only warns when it may not, and adds to what is there.
nicer() {
  _want=$(($(nice) + $1))
  [ "$_want" -le 19 ] || _want=19
  [ "$_want" -ge -20 ] || _want=-20
  [ "$(nice -n "$1" nice 2>/dev/null)" = "$_want" ] && _nice=$1 || cannot "nice cannot be $1 for the user of the agent"
}

options() {
  while read -r _skip _skip _skip _skip _at _how _skip; do
    [ "$_at" != "$1" ] || _found=$_how
  done </proc/self/mountinfo
  _ifs=$IFS IFS=,
  for _one in ${_found-}; do case $_one in nosuid | nodev | noexec | noatime) printf ',%s' "$_one" ;; esac; done
  IFS=$_ifs
}

_self=$0
while :; do
  _word=$1
  shift
  case $_word in
    --) break ;;
    best-effort) _easy=1 ;;
    mounts) begin_mounts ${_easy:+best-effort} "$@" ;;
    inside) _mounts=inside ;;
    size=*) _size=${_word#*=} ;;
    private=*) private "${_word#*=}" ;;
    read-only=*) read_only "${_word#*=}" ;;
    nice=*) nicer "${_word#*=}" ;;
    limit=*)
      prlimit "--${_word#*=}" true 2>/dev/null && _limits="$_limits --${_word#*=}" ||
        cannot "ulimit.${_word#*=} is not allowed to the user of the agent"
      ;;
    umask=*) umask "${_word#*=}" ;;
    user=*) _user=${_word#*=} ;;
    group=*) _group=${_word#*=} ;;
  esac
done
[ "$_mounts" != inside ] || cd -- "$(pwd -P)" || cannot 'the working directory is gone'

# With another parent by then, the shepherd died too early to be noticed.
set -- /bin/sh -c '[ "$PPID" = "$1" ] || exit; PATH=$2; shift 2; exec "$@"' watchbill "$PPID" "$_path" "$@"

# Another user: with its groups and its home, and no way to become a third one. The kernel forgets by whose death the
# process shall end when its user changes.
if [ "$_user" ]; then
  if IFS=: read -r _name _skip _uid _gid _skip _home _skip <<END && [ "${_home-}" ]; then
$(getent passwd "$_user")
END
    if [ "$_group" ]; then
      IFS=: read -r _skip _skip _gid _skip <<END
$(getent group "$_group")
END
    fi
    if [ ! "$_gid" ]; then
      cannot "there is no group $_group on this machine"
      _home=''
    elif [ "$(id -u) $(id -g)" = "$_uid $_gid" ]; then
      :
    elif [ "$(id -u)" = 0 ]; then
      set -- setpriv --pdeathsig KILL --reuid "$_uid" --regid "$_gid" --init-groups --no-new-privs --inh-caps=-all "$@"
    else
      cannot "only an agent that is root can run commands as $_user"
      _home=''
    fi
    [ ! "$_home" ] || export HOME="${HOME-$_home}" USER="${USER-$_name}" LOGNAME="${LOGNAME-$_name}"
  else
    cannot "there is no user $_user on this machine"
  fi
fi
[ ! "$_limits" ] || set -- prlimit $_limits "$@"
[ ! "$_nice" ] || set -- nice -n "$_nice" "$@"
exec "$@"
