/** What a fault is. */
import type { Agent } from '../lab/cluster.ts'
import type { Host } from './hosts.ts'
import type { Lab } from './lab.ts'
import type { Random } from './random.ts'
import type { Gap } from './verdict.ts'

export interface Scene {
  readonly lab: Lab
  /** Whom it hits. */
  readonly agent: Agent
  readonly host: Host
  /** For whatever is left to chance, so that a seed replays it. */
  readonly random: Random
}

/** Undoes a fault. It is run once, and the cluster is then given time to settle. */
export type Heal = () => Promise<void>

export interface Fault {
  /** As `--only` takes it. */
  readonly name: string
  /** Who is hit: an agent that runs the service, a server that follows, the leader. */
  readonly hits: 'client' | 'follower' | 'leader'
  /** ms; or until the others run everything, but at most so many ms. */
  readonly lasts: number | { readonly takenOverWithin: number }
  /**
   * How long a partition may be without an owner: `none` no process ends; `clean` 2 s; `local` W + guard interval + 1 s;
   * `takeover` the same from when the servers marked the loss; `any` is not judged.
   */
  readonly gap: Gap
  /** Not judged for an agent that is root and has no control groups. */
  readonly anyGapForBareRoot?: true
  /** L + G that the takeover wait goes by, ms, where it is not the lab's. */
  readonly limit?: number
  /** What runs on the host cannot be stopped meanwhile, and may beat 0.2 s after it. */
  readonly freezes?: true
  /** How long it may then beat beside its successor, ms, where that is more than 0.2 s. */
  readonly residual?: number
  /** How often a partition may be started at most, by all hosts together, before the heal. */
  readonly starts?: number
  /** The host can start nothing in time meanwhile, but may keep its session: then only it can run its partitions again. */
  readonly slows?: true
  /** nftables, or a share of the CPU. */
  readonly needs?: 'nft' | 'cpu' | 'pids'
  /** What has to be so before it begins. */
  readonly prepare?: (scene: Scene) => Promise<void>
  readonly inject: (scene: Scene) => Promise<Heal>
}
