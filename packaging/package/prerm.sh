#!/bin/sh
# Consul goes on running the programs in /usr/local/lib/watchbill, and no partition stops: only `purge` hands them over.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  for unit in watchbill-page.socket watchbill-page.service watchbill-metrics.socket watchbill-handover.service; do
    deb-systemd-invoke stop "$unit" >/dev/null || true
  done
fi
