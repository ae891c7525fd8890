/** The description of a fault. */
import type { Agent } from '../lab/cluster.ts'
import type { Host } from './hosts.ts'
import type { Lab } from './lab.ts'
import type { Random } from './random.ts'
import type { Gap } from './verdict.ts'

export interface Scene {
  readonly lab: Lab
  /** The agent that it hits. */
  readonly agent: Agent
  readonly host: Host
  /** Source of chance, which a seed repeats. */
  readonly random: Random
}

/** Ends a fault. It is called once; then the cluster gets time to settle. */
export type Heal = () => Promise<void>

export interface Fault {
  /** The name for `--only`. */
  readonly name: string
  /** The agent that is hit: one that runs the service, a server that follows, or the leader. */
  readonly hits: 'client' | 'follower' | 'leader'
  /** For how many ms; or until the others run everything, but at most for so many ms. */
  readonly lasts: number | { readonly takenOverWithin: number }
  /**
   * How long a partition may have no owner. `none`: no process may end. `clean`: 2 s. `local`: W + guard interval + 1
   * s. `takeover`: the same, counted from when the servers marked the loss. `any`: not judged.
   */
  readonly gap: Gap
  /** For an agent that is root and has no control groups, the time without an owner is not judged. */
  readonly anyGapForBareRoot?: true
  /** The L + G that the takeover wait uses, ms, when it differs from the lab's. */
  readonly limit?: number
  /** The processes of the host cannot be stopped during the fault, and may beat for 0.2 s after it. */
  readonly freezes?: true
  /** How long such a process may beat beside its successor, ms, when that is more than 0.2 s. */
  readonly residual?: number
  /** The most starts of one partition before the heal, on all hosts together. */
  readonly starts?: number
  /**
   * The host is too slow to start anything during the fault, but may keep its session: then only it can run its
   * partitions again.
   */
  readonly slows?: true
  /** How many hosts run the service in its lab; 3 when left out. Such a fault joins no campaign. */
  readonly clients?: number
  /** What the lab's machine needs for it: nftables, or a controller of control groups. */
  readonly needs?: 'nft' | 'cpu' | 'pids'
  /** Done before the fault begins. */
  readonly prepare?: (scene: Scene) => Promise<void>
  readonly inject: (scene: Scene) => Promise<Heal>
}
