# Read by bin/run and watchbill before they become Node: Node raises the soft limit of open files to the hard one, and
# exits when NODE_OPTIONS does not fit. The caller's values go into WATCHBILL_CALLER_*, and the processes that a program
# starts get them back: see lib/machine/caller.ts. Nothing here forks, because the guard starts this way every 2 s.
unset WATCHBILL_CALLER_NOFILE WATCHBILL_CALLER_IGNORED
while read -r _a _b _c _soft _hard _rest; do
  case "$_a $_b $_c" in 'Max open files')
    [ "$_soft" = "$_hard" ] || export WATCHBILL_CALLER_NOFILE="$_soft"
    break ;;
  esac
done </proc/self/limits
for _name in NODE_OPTIONS NODE_V8_COVERAGE NODE_DEBUG NODE_DEBUG_NATIVE NODE_REDIRECT_WARNINGS NODE_COMPILE_CACHE \
  NODE_ICU_DATA NODE_UNIQUE_ID NODE_PENDING_DEPRECATION NODE_PRESERVE_SYMLINKS; do
  eval "unset WATCHBILL_CALLER_$_name
  [ -z \"\${$_name+x}\" ] || { export WATCHBILL_CALLER_$_name=\"\$$_name\"; unset $_name; }"
done
