#compdef watchbill
# zsh completion for watchbill. `watchbill complete` knows programs, options, and what runs in the cluster.
_watchbill() {
  local line value
  local -a found
  for line in "${(@f)$(${(Q)words[1]} complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}"; do
    [[ -n $line ]] || continue
    value=${line%%$'\t'*}
    found+=("${value//:/\\:}:${line#*$'\t'}")
  done
  if (( $#found )); then
    _describe -V watchbill found
  else
    _files
  fi
}
if [[ ${funcstack[1]-} == _watchbill ]]; then
  _watchbill "$@"
else
  compdef _watchbill watchbill
fi
