/** Rules of safety to break on purpose, each with the fault by which the lab must catch the break. */
export interface Break {
  readonly name: string
  readonly file: string
  /** Text that occurs once in the file, and its replacement. */
  readonly from: string
  readonly to: string
  /** The fault by which the lab must catch it. */
  readonly fault: string
  /** The most tries: some breaks show only by chance. */
  readonly times: number
}

export const breaks: readonly Break[] = [
  {
    name: 'the takeover wait is no longer than the lease',
    file: 'lib/keys/lock.ts',
    from: 'Math.min(lease + grace + margin, longestWait)',
    to: 'Math.min(lease, longestWait)',
    fault: 'cut-and-destroyed',
    times: 6,
  },
  {
    name: 'a lock is given back before its process is gone',
    file: 'lib/process/shepherd/stop.ts',
    from: 'const gone = quiet.filter(stop => swept.has(stop) && isGone(stop) && probes.isGone(stop))',
    to: 'const gone = [...left]',
    fault: 'leave',
    times: 2,
  },
  {
    name: 'shepherds do not look at the lease',
    file: 'lib/process/shepherd/shepherd.sh',
    from: '[ "$_now" -lt "$_until" ]\n}',
    to: 'true\n}',
    fault: 'host-cut',
    times: 1,
  },
]
