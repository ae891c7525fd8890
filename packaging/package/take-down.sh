# Hands this machine's partitions over, then removes everything that is not the package's own: the agent's files, releases, state.
take_down() {
  home=/usr/local/lib/watchbill
  consul=/etc/consul.d
  if [ -x "$home/current/watchbill" ]; then
    "$home/current/watchbill" leave --all || ! runs_something || refuse 'the partitions of this machine cannot be handed over'
  fi
  # Before anything is removed: without its guard a process would be killed when its lease is over. `leave` knows only the
  # instances of this state directory, and of those that /etc/consul.d names.
  ! still_runs || refuse 'partitions run here that were not handed over, such as those of another --state or --consul-dir'
  for file in "$consul"/watchbill-*.json; do
    [ ! -e "$file" ] || ! grep -q "$home/current" "$file" || rm "$file"
  done
  reload_agent
  ! runs_something || refuse 'partitions still run here'
  rm -rf "$home" /var/lib/watchbill /etc/watchbill
}

# Whether a process of ours is there: every shepherd has its release in its command line.
runs_something() {
  cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -q '^/usr/local/lib/watchbill/releases/.*/shepherd\.sh$'
}

# What has just been told to end gets two seconds.
still_runs() {
  for _ in 1 2; do
    runs_something || return 1
    sleep 1
  done
  runs_something
}

# Otherwise the agent would go on running our programs when something changes.
reload_agent() {
  if [ -d /run/systemd/system ] && systemctl --quiet is-active consul.service; then
    systemctl reload consul.service || true
  elif command -v consul >/dev/null; then
    consul reload >/dev/null 2>&1 || true
  fi
}

refuse() {
  echo "watchbill: temporary: cannot remove watchbill: $1; run watchbill leave --all, then try again" >&2
  exit 1
}
