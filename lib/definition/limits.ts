/** What a definition limits of its own processes: the names, and the type. */

/** The limits of `run`. Each is left out when the file does not say it. */
export type Limits = {
  /** Names of this machine. They, and all that has no other comment, are for every command of the definition. */
  readonly user?: string
  readonly group?: string
  readonly umask?: string
  readonly nice?: number
  readonly ulimit?: Readonly<Partial<Record<Ulimit, number | 'unlimited'>>>
  /** Of the processes of one partition together: bytes, processors, processes and threads. */
  readonly memory?: number
  readonly cpu?: number
  readonly pids?: number
  readonly readOnly?: readonly string[]
  readonly private?: readonly string[]
  /** True: started also where one of these cannot be kept. */
  readonly bestEffort?: true
}

/** What a control group limits. */
export const amounts = ['memory', 'cpu', 'pids'] as const
export type Amount = (typeof amounts)[number]

export const limitModes = ['strict', 'best-effort'] as const

/** The least memory of a partition, bytes: a shell needs more. */
export const leastMemory = 1e6

/**
 * The limits that a definition may name: names of limits.conf and of prlimit(1). The limit on file locks is left out: it
 * holds the mark by which processes are known.
 */
export const ulimits = ['nofile', 'nproc', 'core', 'fsize', 'data', 'stack', 'as', 'cpu', 'memlock'] as const
export type Ulimit = (typeof ulimits)[number]
