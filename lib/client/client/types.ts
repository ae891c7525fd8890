/** What a program gives to, and gets from, `watchbill/client`. */

/** A partition that is to be there. */
export interface Wanted {
  readonly id: string
  /**
   * Any JSON, at most 256 KiB: its process finds it in the file that WATCHBILL_PAYLOAD names. Left out: none for a new
   * partition, and the one that is there stays as it is.
   */
  readonly document?: unknown
  /**
   * The condition: the `index` with which `partitions` returned it, or 0 for "only if it is not there". Left out: whatever
   * is there.
   */
  readonly index?: number
}

/** A partition that is to be gone; the condition as in `Wanted`. */
export interface Unwanted {
  readonly id: string
  readonly index?: number
}

/** A partition that is there. */
export interface Partition {
  readonly id: string
  /** Who brought it; what "hand" brought, as a program does, no definition and no source takes away. */
  readonly from: 'definition' | 'source' | 'hand' | null
  /** Missing when it has none. */
  readonly document?: unknown
  /** Another number after each change of it. */
  readonly index: number
}

/** The ids, each in one of these. */
export interface Allocated {
  readonly added: string[]
  /** They were there, and have another document now, or are no longer a definition's or a source's. */
  readonly changed: string[]
  /** They were there as they are wanted. */
  readonly unchanged: string[]
  /** Somebody else has changed, added or removed it since it was read: the condition does not hold. */
  readonly refused: string[]
}

/** The ids, each in one of these. */
export interface Deallocated {
  readonly removed: string[]
  /** They were not there. */
  readonly absent: string[]
  readonly refused: string[]
}

export interface Options {
  /** Where Consul is, and the token: its own variables, such as CONSUL_HTTP_ADDR. `process.env` when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Time limit of one request, ms; 5000 when left out. */
  readonly timeout?: number
}
