/** The health checks of a definition, and the reactions to them. */

/** A health check of every partition. Durations in ms. */
export type CheckDefinition = {
  readonly id: string
  readonly name: string
  readonly notes: string
  readonly tags: readonly string[]
  /** The process reports at least this often by itself; null for a check that watchbill does. */
  readonly ttlMs: number | null
  /** What figure is compared with what; left out for other checks, so that the digest stays the same. */
  readonly figure?: FigureCheck
  /** Null for a check that the process reports itself, and for one of a figure. */
  readonly command: readonly string[] | null
  readonly intervalMs: number
  readonly timeoutMs: number
  /** After this many failures in a row the check is critical. */
  readonly failuresBeforeCritical: number
  /** How long a status must last before watchbill reacts to it. */
  readonly forMs: number
  /** For how long an instance does not take back a partition that it gave up because of this check. */
  readonly coolDownMs: number
  /** How many times an hour "release" may move one partition; after that it stays. */
  readonly movesPerHour: number
  readonly onFailure: readonly Reaction[]
  readonly onWarning: readonly Reaction[]
  readonly onPass: readonly Reaction[]
}

/** A check of a figure: watchbill's own or the program's. At least one of the bounds is there. */
export type FigureCheck = {
  readonly metric: string
  readonly above?: number
  readonly below?: number
  readonly unchangedMs?: number
}

/** The reactions to a check that are not commands. */
export const builtIns = ['restart', 'release', 'drain'] as const
export type BuiltIn = (typeof builtIns)[number]
export type Reaction = BuiltIn | readonly string[]
