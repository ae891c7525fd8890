/** Which instances and partitions of a service `status` shows. Pure. */
import { Permanent } from '../../base/errors.ts'
import { glob } from '../../base/glob.ts'
import { didYouMean } from '../../base/near.ts'
import type { InstanceStatus } from './instances.ts'
import { isGood, type PartitionStatus, type State, states } from './partitions.ts'
import type { Status } from './status.ts'

/** Each that is given must hold. */
export interface Wanted {
  /** Whose: a name, or a pattern with `*`. */
  readonly instance?: string | undefined
  /** One state, or several with commas between. */
  readonly state?: string | undefined
  /** An id, or a pattern with `*`. */
  readonly partition?: string | undefined
  /** Only what is not as it should be. */
  readonly problems?: boolean | undefined
}

export type Choice = Pick<Status, 'instances' | 'partitions'>

/** @param marked partitions that are shown although nothing is wrong with them */
export function chosen(status: Status, wanted: Wanted, marked: ReadonlySet<string> = new Set()): Choice {
  const ofInstance = wanted.instance === undefined ? null : glob(wanted.instance)
  const ofPartition = wanted.partition === undefined ? null : matcher(wanted.partition)
  const ofState = wanted.state === undefined ? null : statesIn(wanted.state)
  const isWanted = (one: PartitionStatus) =>
    (ofInstance === null || (one.instance !== null && ofInstance(one.instance))) &&
    (ofPartition === null || ofPartition(one.partition)) &&
    (ofState === null || ofState.has(one.state)) &&
    (!wanted.problems || !isGood(one) || marked.has(one.partition))
  return {
    instances: status.instances.filter(
      one => (ofInstance === null || ofInstance(one.instance)) && (!wanted.problems || hasProblem(one)),
    ),
    partitions: status.partitions.filter(isWanted),
  }
}

/**
 * A name that is mistyped must not look like "nothing runs". A state may have no partition.
 * @throws Permanent when no instance, or no partition, fits
 */
export function mustFit(all: readonly Status[], { instance, partition }: Wanted): void {
  const instances = all.flatMap(status => status.instances.map(one => one.instance))
  if (instance !== undefined && !instances.some(glob(instance)))
    throw new Permanent(`cannot show the instance ${instance}: there is none${didYouMean(instance, instances)}`)
  if (
    partition === undefined ||
    all.some(({ partitions }) => partitions.some(one => matcher(partition)(one.partition)))
  )
    return
  throw new Permanent(`cannot show ${partition}: no partition fits`)
}

/** The partitions that are meant: what is an id with a star in it, is also that id. */
export function matcher(pattern: string): (id: string) => boolean {
  const matches = glob(pattern)
  return id => id === pattern || matches(id)
}

/** @throws Permanent for what is no state */
export function statesIn(words: string): ReadonlySet<State> {
  const named = words.split(',').map(word => word.trim())
  const none = named.find(word => !(states as readonly string[]).includes(word))
  if (none !== undefined)
    throw new Permanent(`cannot read the arguments: "${none}" is no state; there are ${states.join(', ')}`)
  return new Set(named as State[])
}

function hasProblem({ state, why }: InstanceStatus): boolean {
  return state !== 'member' || why !== ''
}
