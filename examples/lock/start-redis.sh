#!/bin/sh
# start-redis.sh PORT FOLDER: starts a Redis on this machine, as the primary of a new set or as a replica of what is there.
# Run everywhere at once: under the lock the first one names itself the primary, and whoever comes later finds the name.
# Redis itself runs outside the lock, which is needed for the moment of the decision only.
set -eu
port=$1 folder=$2
key=redis/primary
watchbill lock --wait 1m redis-bootstrap -- sh -c '
  why=$(consul kv get "$1" 2>&1 >/dev/null) && exit
  case $why in # a Consul that cannot be read says nothing of a primary
    *"No key exists"*) consul kv put "$1" "$2" >/dev/null ;;
    *) echo "start-redis.sh: cannot read $1: $why" >&2 && exit 111 ;;
  esac
' sh "$key" "127.0.0.1 $port"
primary=$(consul kv get "$key")
set -- --port "$port" --bind 127.0.0.1 --unixsocket "$folder/redis.sock" --dir "$folder" --save '' --logfile redis.log
[ "$primary" = "127.0.0.1 $port" ] || set -- "$@" --replicaof "$primary"
# "host port" are two arguments of --replicaof; Redis takes them as one, too.
exec redis-server "$@"
