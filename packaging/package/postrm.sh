#!/bin/sh
set -e
# @take-down@
units='watchbill-handover.service watchbill-page.socket watchbill-metrics.socket'
if [ "$1" = purge ]; then
  take_down
  if command -v deb-systemd-helper >/dev/null; then
    # shellcheck disable=SC2086
    deb-systemd-helper purge $units >/dev/null || true
    # shellcheck disable=SC2086
    deb-systemd-helper unmask $units >/dev/null || true
  fi
fi
if [ -d /run/systemd/system ]; then systemctl --system daemon-reload >/dev/null || true; fi
