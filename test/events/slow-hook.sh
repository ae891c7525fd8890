#!/bin/sh
# A hook that takes its time, and then writes what it was given as one line: slow-hook.sh <file> <seconds>
read -r event
sleep "$2"
printf '%s\n' "$event" >>"$1"
