/** The types of `watchbill/client`. */

/** A partition that should exist. */
export interface Wanted {
  readonly id: string
  /**
   * Any JSON, at most 256 KiB: the process finds it in the file that WATCHBILL_PAYLOAD names. When left out, a new partition
   * gets none, and an existing one keeps its document.
   */
  readonly document?: unknown
  /**
   * The condition: the `index` that `partitions` returned for it, or 0 for "only if it does not exist". When left out, there
   * is no condition.
   */
  readonly index?: number
}

/** A partition to remove; the condition as in `Wanted`. */
export interface Unwanted {
  readonly id: string
  readonly index?: number
}

/** An existing partition. */
export interface Partition {
  readonly id: string
  /** Who added it. "hand" means people or programs: no definition and no source removes it. */
  readonly from: 'definition' | 'source' | 'hand' | null
  /** Missing when it has none. */
  readonly document?: unknown
  /** Changes with each change of the partition. */
  readonly index: number
}

/** The ids, each in one of these. */
export interface Allocated {
  readonly added: string[]
  /** Existing ones that have a new document now, or no longer belong to a definition or a source. */
  readonly changed: string[]
  /** Existing ones that were already as wanted. */
  readonly unchanged: string[]
  /** The condition does not hold: somebody else has changed, added or removed the partition since it was read. */
  readonly refused: string[]
}

/** The ids, each in one of these. */
export interface Deallocated {
  readonly removed: string[]
  /** They did not exist. */
  readonly absent: string[]
  readonly refused: string[]
}

export interface Options {
  /** Consul's environment variables for address and token, such as CONSUL_HTTP_ADDR. `process.env` when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Time limit of one request, ms; 5000 when left out. */
  readonly timeout?: number
}
