#!/bin/sh
# Boots this machine's systemd as pid 1 of namespaces of its own: processes, mounts, network, control groups.
#
#   boot.sh DIR unified|hybrid PLACE…    DIR/units/ is all that it has of units; `lab.target` of it is started
#
# Nothing of the machine can be changed from inside: its root is read-only there, with file systems in memory over /tmp,
# /run, /var and /dev; only DIR can be written. None of the machine's own units is there: Debian's would clear /tmp. PLACEs
# can be read, on whatever file system they are.
# Hybrid: systemd keeps a version 1 hierarchy, named `systemd`, beside version 2. Everything is in the control group
# that DIR/group names, and dies with `cgroup.kill` of it. Ends with systemd.
set -eu

outside() {
  mount=/sys/fs/cgroup
  [ -e $mount/cgroup.controllers ] || mount=$mount/unified
  for group in "$mount/$name" ${named:+"$named/$name"}; do mkdir "$group" && echo $$ >"$group/cgroup.procs"; done
  echo "$mount/$name ${named:+$named/$name}" >"$dir/group"
  export inside=1
  exec unshare --pid --mount --cgroup --uts --ipc --net --fork --kill-child --propagation private /bin/sh "$0" "$dir" "$how" "$@"
}

groups() {
  if [ "$how" = unified ]; then mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  else
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  fi
  # Nor the controllers of version 1: they would be mounted, as far as the kernel says that it has them.
  echo '#subsys_name hierarchy num_cgroups enabled' >"$dir/cgroups"
  mount --bind "$dir/cgroups" "$root/proc/cgroups"
}

devices() {
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  touch "$root/dev/console" && mount --bind /dev/null "$root/dev/console"
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
}

inside() {
  root=$dir/root
  mkdir "$root"
  mount --bind / "$root"
  mount -o remount,bind,ro "$root"
  mount -t proc proc "$root/proc"
  mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  groups
  devices
  for place in /run /var /etc/systemd /usr/lib/systemd/system /usr/lib/systemd/system-generators; do
    mount -t tmpfs -o mode=755 tmpfs "$root$place"
  done
  for place in "$@" "$dir"; do over "$place"; done
  mkdir "$root/var/tmp" "$root/etc/systemd/system"
  cp -R "$dir/units/." "$root/etc/systemd/system/"
  cd "$root"
  pivot_root . mnt
  umount --lazy /mnt
  # The proof, before anything else is run.
  for place in / /etc /usr /home; do
    if touch "$place/watchbill-lab" 2>/dev/null; then echo "$place can be written" >&2 && exit 1; fi
  done
  if [ "$(ls -A /tmp /var /usr/lib/systemd/system | grep service)" ]; then echo 'there are units' >&2 && exit 1; fi
  exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_time,-sys_boot,-sys_module,-sys_rawio,-syslog \
    /lib/systemd/systemd --system --unit=lab.target --log-target=null --show-status=no
}

# DIR may be written, the others not. /tmp is in memory, also where one of them stands below it.
over() {
  [ "$tmp" ] || { mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" && tmp=1; }
  [ -d "$root$1" ] || mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
  [ "$1" = "$dir" ] || mount -o remount,bind,ro "$root$1"
}

dir=$1 how=$2 name=watchbill-lab-systemd-$$ named='' tmp=''
shift 2
[ "$how" = unified ] || [ ! -d /sys/fs/cgroup/systemd ] || named=/sys/fs/cgroup/systemd
if [ "${inside-}" ]; then inside "$@"; else outside "$@"; fi
