#!/bin/sh
# Installs watchbill on a machine without dpkg, or upgrades it: sh install.sh
# Removes it again, and hands over first what runs here:       sh install.sh --uninstall
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
own=/usr/lib/watchbill
list=$own/files
made=

# @set-up@
# @take-down@
fail() {
  echo "install.sh: permanent: $1" >&2
  exit 100
}

# Files first under another name, so that whoever runs one has the old or the new.
copy_all() {
  while read -r path; do
    make_directory "/${path%/*}"
    cp "$here/root/$path" "/$path.$$.new"
    mv -f "/$path.$$.new" "/$path"
  done <"$here/files"
  cp "$here/install.sh" "$own/install.sh"
}

# Notes what it makes: those directories go again with the last file.
make_directory() {
  [ ! -d "$1" ] || return 0
  make_directory "${1%/*}"
  mkdir "$1"
  made="$made$1
"
}

# What an earlier version had and this one has not.
remove_old() {
  [ -e "$list" ] || return 0
  while read -r path; do
    grep -qxF "$path" "$here/files" || rm -f "/$path"
  done <"$list"
}

units_changed() {
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
}

install_all() {
  [ -d "$here/root" ] || fail "cannot install: there is no $here/root; run it from the unpacked archive"
  umask 022
  remove_old
  copy_all
  cp "$here/files" "$list"
  make_directory /etc/watchbill
  printf %s "$made" >>"$own/directories"
  set_up
  units_changed
  if command -v systemctl >/dev/null; then
    systemctl --quiet enable watchbill-handover.service
    [ ! -d /run/systemd/system ] || systemctl start watchbill-handover.service
  fi
  echo 'watchbill is installed: run watchbill --help, then put a definition into /etc/watchbill'
}

uninstall_all() {
  [ -e "$list" ] || fail "cannot uninstall: there is no $list; this script has not installed watchbill here"
  take_down
  if command -v systemctl >/dev/null; then
    for unit in watchbill-handover.service watchbill-page.socket watchbill-metrics.socket; do
      systemctl --quiet disable "$unit" || true
      [ ! -d /run/systemd/system ] || systemctl stop "$unit" || true
    done
    # A socket that is stopped leaves running what it has started.
    [ ! -d /run/systemd/system ] || systemctl stop watchbill-page.service || true
  fi
  while read -r path; do rm -f "/$path"; done <"$list"
  directories=$(sort -r "$own/directories")
  rm -f "$list" "$own/directories" "$own/install.sh"
  for directory in $directories; do rmdir "$directory" 2>/dev/null || true; done
  units_changed
  echo 'watchbill is removed'
}

case "${1-}" in '' | --uninstall) ;; *) fail "there is no option $1; it takes none, or --uninstall" ;; esac
[ "$(id -u)" = 0 ] || fail 'cannot install: this user may not; run it as root'
if dpkg-query -W watchbill >/dev/null 2>&1; then fail 'cannot install: dpkg keeps a package watchbill here; use apt'; fi
if [ "${1-}" = --uninstall ]; then uninstall_all; else install_all; fi
