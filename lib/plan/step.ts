/** The steps that a plan is made of, as data. */
import type { Ran } from '../roll/meant.ts'

/** `index` is the lock's ModifyIndex as it was read, null where the key is missing: the transaction checks it. */
export type Step =
  /** Make sure of a session and take the member key. */
  | { readonly do: 'enter' }
  /** Write the partition set of the definition. */
  | { readonly do: 'define' }
  /** Too many instances are lost: freeze the service. */
  | { readonly do: 'freeze'; readonly lost: readonly string[]; readonly of: number }
  /** Enough of them are back for long enough: end that freeze. */
  | { readonly do: 'thaw' }
  /** Write the number of partitions that a percentage means now, or bring the set to the number in force, or reset it. */
  | { readonly do: 'count'; readonly what: 'write' | 'bring' | 'reset'; readonly number: number }
  /** Put the rules of placement of the definition in force. */
  | { readonly do: 'propose'; readonly digest: string }
  /** Drain members whose release does not know the rules of placement. */
  | { readonly do: 'drainOlder'; readonly instances: readonly string[] }
  /** End such drains: the rules are gone, or the release of the member knows them now. */
  | { readonly do: 'undrainOlder'; readonly instances: readonly string[] }
  /** Read, for all, what the rules of placement need of documents. */
  | { readonly do: 'readTraits' }
  /** The plan of the scheduler no longer counts: the roster takes over for all. */
  | { readonly do: 'withdrawPlan'; readonly why: string }
  /**
   * Take back this instance's own lock while its lease runs. With `held`: write its value again. The process goes on. With
   * `anew` no process runs, and the next one is started with that.
   */
  | {
      readonly do: 'reclaim'
      readonly partition: string
      readonly index: number | null
      readonly held: boolean
      readonly anew?: Ran
    }
  /** The lock is held, but the outcome of its transaction was not written to the state directory. */
  | { readonly do: 'adopt'; readonly partition: string; readonly index: number }
  | { readonly do: 'claim'; readonly partition: string; readonly index: number; readonly takeover: boolean }
  /** The lock key of a partition is missing: create it as unclean, since its last holder is unknown. */
  | { readonly do: 'remake'; readonly partition: string }
  /** Stop the process and delete the request (`null`: it was made on this machine). The next look plans the `start`. */
  | { readonly do: 'restart'; readonly partition: string; readonly request: number | null }
  | { readonly do: 'start'; readonly partition: string }
  /** Stop, then give the lock back cleanly and wake the next holder. `held`: this instance's session holds the lock. */
  | {
      readonly do: 'release'
      readonly partition: string
      readonly index: number
      readonly held: boolean
      readonly next: string | null
      readonly removed: boolean
    }
  /** This instance's session holds a lock that this instance did not take: give it back as unclean. */
  | { readonly do: 'disown'; readonly partition: string; readonly index: number; readonly next: string | null }
  /** The lock is lost: stop the process and remove the partition's facts. */
  | { readonly do: 'stop'; readonly partition: string; readonly why: string }
  /** Delete the lock of a partition that is no longer in the set. */
  | { readonly do: 'delete'; readonly partition: string; readonly index: number }
