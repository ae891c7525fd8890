#!/bin/sh
# bin/run FILE [arguments]: runs a program of this release with its Node, as Consul's agent does.
here=${0%/*}
. "$here/../lib/caller.sh"
exec "$here/node" "$@"
