/** The fields of a member that the roster uses. */

import type { Offers } from '../keys/offers.ts'

/** One member, from its key in Consul. */
export interface RosterMember {
  /** Its name: unique in the service. */
  readonly instance: string
  /** Its share relative to the other members. Finite and above 0: the definition's schema guarantees that. */
  readonly weight: number
  /** The most it takes: a whole number, 0 or more; null when there is no such limit. */
  readonly maxPartitions: number | null
}

/** A member, and what rules of placement ask about. */
export interface PlacedMember extends RosterMember {
  readonly node: string
  /** The most that its partitions may cost; left out for any. */
  readonly maxCost?: number
  readonly offers?: Offers
}
