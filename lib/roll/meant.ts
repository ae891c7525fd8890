/**
 * Which version a partition is to be started in. Pure: every instance finds the same one from the same look, so that a
 * partition that moves in the middle of a roll-out starts in the version meant for it.
 */
import { glob } from '../base/glob.ts'
import { byName } from '../base/text.ts'
import type { Definition } from '../definition/definition.ts'
import { allows } from '../definition/version.ts'
import type { HeldValue } from '../keys/lock.ts'
import { isUnderWay, type Roll } from '../keys/roll.ts'
import type { Settings } from '../keys/settings.ts'
import type { Cluster } from '../look/cluster.ts'

/** What a process runs with, as its lock's value says. */
export type Ran = Pick<HeldValue, 'version' | 'roll'>

type Asked = Pick<Cluster, 'settings' | 'roll'>
type Defined = Pick<Definition, 'versions'>

/** The version in force for a partition, apart from any roll-out under way; '' for none. */
export function inForceFor({ version, only = [] }: Settings, first: string | undefined, id: string): string {
  return only.findLast(one => glob(one.partitions)(id))?.version ?? version ?? first ?? ''
}

/** The version in force of the service; what the definitions say until one was rolled out; null when neither says one. */
export function versionInForce({ settings, members }: Pick<Cluster, 'settings' | 'members'>): string | null {
  return settings.version ?? members.find(({ versions }) => versions?.first)?.versions?.first ?? null
}

/** Whether the roll-out is for this partition. */
export function covers({ only }: Pick<Roll, 'only'>, id: string): boolean {
  return only === null || glob(only)(id)
}

/** What has the new version is to get the old one back. */
export function isReverting({ state, before }: Pick<Roll, 'state' | 'before'>): boolean {
  return state === 'reverting' || (state === 'paused' && before === 'reverting')
}

/** Whether the roll-out has come to this unit: a partition, or an instance. */
export function hasReached(roll: Pick<Roll, 'state' | 'before' | 'cursor'>, unit: string): boolean {
  return !isReverting(roll) && roll.cursor !== null && byName(unit, roll.cursor) <= 0
}

/** What a partition is started with on an instance. A service whose definition has no versions has the empty one. */
export function meantFor({ settings, roll }: Asked, { versions }: Defined, id: string, instance: string): Ran {
  const inForce = versions === undefined ? '' : inForceFor(settings, versions.first, id)
  if (!isUnderWay(roll, settings) || !covers(roll, id)) return { version: inForce }
  const unit = roll.unit === 'instance' ? instance : id
  if (!hasReached(roll, unit)) return { version: inForce }
  return { version: versions === undefined || roll.to === null ? inForce : roll.to, roll: markOf(roll, unit) }
}

/**
 * The version in force on an instance as a whole, for what is made once for all its partitions; '' for none. Where single partitions
 * are rolled, that is the version of the service, until the roll-out has ended.
 * @param first of the definition
 */
export function versionOn({ settings, roll }: Asked, first: string | undefined, instance: string): string {
  const isTurn = isUnderWay(roll, settings) && roll.unit === 'instance' && hasReached(roll, instance)
  return (isTurn ? roll.to : null) ?? settings.version ?? first ?? ''
}

/** By what the start of a unit is known in the lock's value; another one where it failed, and is to be started once more. */
export function markOf({ id, round, again }: Pick<Roll, 'id' | 'round' | 'again'>, unit: string): string {
  return again.includes(unit) ? `${id}.${round}` : id
}

/** Outside of a roll-out it does not matter which one started a process. */
export function isAsMeant(ran: Ran | null, { version, roll }: Ran): boolean {
  if (ran === null || ran.version !== version) return false
  return roll === undefined || ran.roll === roll || ran.roll?.startsWith(`${roll}.`) === true
}

/** Why this version must not be started here; null when it may. @param prepared null when nothing has to be prepared */
export function whyNot({ versions }: Defined, prepared: readonly string[] | null, version: string): string | null {
  if (versions === undefined) return null
  if (version === '') return 'no version is in force: watchbill roll --to <version>'
  if (!allows(versions, version)) return `version ${version} does not fit versions.pattern of the definition here`
  if (prepared !== null && !prepared.includes(version)) return `version ${version} is not prepared here yet`
  return null
}
