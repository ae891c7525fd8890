/** What the roster needs to know of a member. */

/** One member, as its key in Consul says. */
export interface RosterMember {
  /** Its name; no two members share one. */
  readonly instance: string
  /** Its share against the others': finite and above 0, which the definition's schema guarantees. */
  readonly weight: number
  /** The most it takes: a whole number, 0 or more; null when there is no such limit. */
  readonly maxPartitions: number | null
}
