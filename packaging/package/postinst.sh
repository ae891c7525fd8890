#!/bin/sh
set -e
# @set-up@
case "$1" in configure | abort-upgrade | abort-remove | abort-deconfigure)
  set_up
  deb-systemd-helper unmask watchbill-handover.service >/dev/null || true
  if deb-systemd-helper --quiet was-enabled watchbill-handover.service; then
    deb-systemd-helper enable watchbill-handover.service >/dev/null || true
  else
    deb-systemd-helper update-state watchbill-handover.service >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    # Nothing happens to one that is active: no upgrade restarts it.
    deb-systemd-invoke start watchbill-handover.service >/dev/null || true
  fi
  ;;
esac
