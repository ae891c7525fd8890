# fish completion for watchbill. `watchbill complete` knows programs, options, and what runs in the cluster.
function __watchbill_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null </dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c watchbill -f -a '(__watchbill_candidates)'
