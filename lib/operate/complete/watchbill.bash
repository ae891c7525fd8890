# bash completion for watchbill. `watchbill complete` knows programs, options, and what runs in the cluster.
_watchbill() {
  local line=${COMP_LINE:0:COMP_POINT} candidate word cut
  local -a words=()
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  word=${words[-1]}
  # bash replaces only what stands behind the last of these characters.
  cut=''
  case $word in *[:=]*) [[ $COMP_WORDBREAKS == *:* ]] && cut=${word%"${word##*[:=]}"} ;; esac
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    [[ $candidate == "$word"* ]] || continue
    printf -v candidate '%q' "$candidate"
    COMPREPLY+=("${candidate#"$cut"}")
  done < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null </dev/null)
}
complete -o default -F _watchbill watchbill
