#!/bin/sh
# start-redis.sh PORT FOLDER: starts a Redis on this machine, as the primary of a new set or as a replica of what is there.
# Run everywhere at once: under the lock the first one names itself the primary, and whoever comes later finds the name.
# Redis itself runs outside the lock, which is needed for the moment of the decision only.
# The name is written only where there is none: a Consul that cannot be read must not pass for one that has no primary.
set -eu
port=$1 folder=$2
key=redis/primary
watchbill lock --wait 1m redis-bootstrap -- sh -c '
  listed=$(consul kv get -keys "$1") || exit
  [ -n "$listed" ] || consul kv put "$1" "$2" >/dev/null
' sh "$key" "127.0.0.1 $port"
primary=$(consul kv get "$key")
set -- --port "$port" --bind 127.0.0.1 --unixsocket "$folder/redis.sock" --dir "$folder" --save '' --logfile redis.log
[ "$primary" = "127.0.0.1 $port" ] || set -- "$@" --replicaof "$primary"
# "host port" are two arguments of --replicaof; Redis takes them as one, too.
exec redis-server "$@"
