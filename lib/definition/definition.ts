/**
 * A service as its definition file describes it, with every default filled in and every duration in milliseconds.
 * Plain JSON: it is stored in the state directory, compared by its digest, and printed as it is.
 */
export type Definition = {
  /** The Consul service name. */
  readonly name: string
  /** The Consul service id. */
  readonly id: string
  readonly tags: readonly string[]
  readonly weight: number
  /** The most partitions this instance takes; null when it takes any number. */
  readonly maxPartitions: number | null
  /** The partition ids, in the order of the file. */
  readonly partitions: readonly string[]
  readonly run: {
    readonly command: readonly string[]
    /** The working directory; null means "/". */
    readonly cwd: string | null
    readonly env: Readonly<Record<string, string>>
    readonly restart: Restart
  }
  readonly stop: {
    readonly signal: Signal
    /** G, in ms. */
    readonly graceMs: number
    /** Run first to stop a process; null when the signal alone does it. */
    readonly command: readonly string[] | null
  }
  readonly guardIntervalMs: number
  /** L, in ms. */
  readonly leaseMs: number
}

export const restarts = ['always', 'on-failure', 'never'] as const
export type Restart = (typeof restarts)[number]

/**
 * What Linux can send to end a process. Signals that pause or resume one are left out: a process that is stopped by
 * SIGSTOP is still there when its lease is over.
 */
export const signals = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGABRT',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGPIPE',
  'SIGIO',
  'SIGPWR',
  'SIGXCPU',
  'SIGKILL',
] as const
export type Signal = (typeof signals)[number]
