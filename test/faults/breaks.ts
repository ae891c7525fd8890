/** The rules that the lab is to catch when they are broken, and the fault that each is there for. */
export interface Break {
  readonly name: string
  readonly file: string
  /** Text that stands in the file once, and what takes its place. */
  readonly from: string
  readonly to: string
  /** What it must not survive. */
  readonly fault: string
  /** How often to try at most: some need chance on their side. */
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
