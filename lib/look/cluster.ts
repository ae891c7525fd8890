/** What one look at Consul shows of a service: the same for whoever asks. */

import type { Keys } from '../base/names.ts'
import type { Registered } from '../consul/health.ts'
import type { Away } from '../keys/away.ts'
import type { CoolDown } from '../keys/cool-down.ts'
import type { CountInForce } from '../keys/count.ts'
import type { Freeze } from '../keys/freeze.ts'
import type { Lock } from '../keys/lock.ts'
import type { Member } from '../keys/member.ts'
import type { FoundPlan } from '../keys/own-plan.ts'
import type { PlacementInForce } from '../keys/placement.ts'
import type { Proposal } from '../keys/proposed.ts'
import type { Garbled, RollInForce } from '../keys/roll.ts'
import type { Settings } from '../keys/settings.ts'
import type { Trait } from '../keys/traits.ts'
import type { Terms } from '../state/local.ts'

/** What the cluster looks like: the same for whoever asks. */
export interface Cluster {
  readonly service: string
  readonly keys: Keys
  readonly registered: readonly Registered[]
  /** Consul's index of their last change. */
  readonly healthIndex: string
  readonly members: readonly Member[]
  /** Which version of the roster everyone says: instance -> version. All compute the lowest. */
  readonly rosters: ReadonlyMap<string, number>
  /** Instances whose session is gone and that are not passing: name -> ModifyIndex of the member key that it left. */
  readonly lost: ReadonlyMap<string, number>
  /** Instances that disappeared without leaving: see keys/away.ts. */
  readonly away: ReadonlyMap<string, Away>
  /** How many partitions there are to be; null when the definitions say which. */
  readonly count: CountInForce | null
  /** The roll-out that the settings name, or what stands in its place; left out when they name none. */
  readonly roll?: RollInForce | Garbled | null
  /** Whether nothing may move; null when nobody ever froze the service. */
  readonly freeze: Freeze | null
  /** Instances that say of themselves that they cannot take part: name -> why. */
  readonly hindrances: ReadonlyMap<string, string>
  /**
   * L and G of everyone who takes part or has lost the session, and those that were left by whoever went otherwise: any of
   * them may have had a lock.
   */
  readonly terms: readonly Terms[]
  readonly partitions: ReadonlySet<string>
  /** Keys below partition/ that are no partition's: somebody wrote them who did not know how an id is encoded. */
  readonly foreign: readonly string[]
  readonly locks: ReadonlyMap<string, Lock>
  /** Partitions whose keys the agent that was asked refuses: through it nothing can be done for them. */
  readonly unusable: ReadonlySet<string>
  /** Restarts that people asked for and nobody has made yet: partition -> the key's ModifyIndex. */
  readonly restarts: ReadonlyMap<string, number>
  /** Consul's index of the last change of a document; null when there has never been one. */
  readonly documentsIndex: number | null
  readonly settings: Settings
  /** Partitions that an instance gave up because of a check, and is not to have again yet. */
  readonly coolDowns: ReadonlyMap<string, CoolDown>
  /** What is wrong with `spec/settings`; null when nothing is. */
  readonly settingsProblem: string | null
  /** The rules of placement and the pins in force; null when nobody has ever written any. */
  readonly placement: PlacementInForce | null
  /** What is wrong with `spec/placement`; null when nothing is. */
  readonly placementProblem: string | null
  /** What the scheduler of the service decided, and what is wrong with those keys. */
  readonly ownPlan: FoundPlan
  /** The definition of an instance that counts has a scheduler. */
  readonly anyAssigning: boolean
  /** What the rules need of documents, by partition: none that has not been read yet. */
  readonly traits: ReadonlyMap<string, Trait>
  /** For which change of the set and the documents they were read. */
  readonly traitsMark: string
  /** The epoch that the settings say, when a higher one was seen: see keys/settings.ts. */
  readonly fallenEpoch: number | null
  /** Somebody has written a partition set; an empty one without this is no set at all. */
  readonly defined: boolean
  /** The index of the last change of the set or the settings; 0 when there was none. */
  readonly revision: number
  /** What definitions would remove, and nobody has applied: by instance. */
  readonly proposals: ReadonlyMap<string, Proposal>
  /** The highest ModifyIndex of what was read. */
  readonly index: number
}
