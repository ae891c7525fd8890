/** The steps that a plan is made of, as data. */

/** `index` is the lock's ModifyIndex as it was read, null where the key is missing: the transaction checks it. */
export type Step =
  /** Make sure of a session and take the member key. */
  | { readonly do: 'enter' }
  /** Write the partition set of the definition. */
  | { readonly do: 'define' }
  /** Take one's own lock back while its lease runs, or (`held`) write its value anew; the process goes on. */
  | { readonly do: 'reclaim'; readonly partition: string; readonly index: number | null; readonly held: boolean }
  /** Held already, but the transaction's outcome was never written down. */
  | { readonly do: 'adopt'; readonly partition: string; readonly index: number }
  | { readonly do: 'claim'; readonly partition: string; readonly index: number; readonly takeover: boolean }
  /** The lock of a partition is missing: make it again, as one of which nobody knows who had it. */
  | { readonly do: 'remake'; readonly partition: string }
  /** Stop what runs, if anything, and answer the request (`null`: it was asked for on this machine); `start` is next. */
  | { readonly do: 'restart'; readonly partition: string; readonly request: number | null }
  | { readonly do: 'start'; readonly partition: string }
  /** Stop, then give the lock back cleanly and wake the next; `held` when it is in this instance's session. */
  | {
      readonly do: 'release'
      readonly partition: string
      readonly index: number
      readonly held: boolean
      readonly next: string | null
      readonly removed: boolean
    }
  /** Found in this instance's session without its having taken it: give it back as unclean. */
  | { readonly do: 'disown'; readonly partition: string; readonly index: number; readonly next: string | null }
  /** The lock is lost: stop what runs, and forget. */
  | { readonly do: 'stop'; readonly partition: string; readonly why: string }
  /** The lock of a partition that is no longer in the set. */
  | { readonly do: 'delete'; readonly partition: string; readonly index: number }
