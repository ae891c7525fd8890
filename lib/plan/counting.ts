/** What this instance does for the number of partitions in force, `spec/number`. Pure. */

import { idsUpTo, numberFor, sameShare } from '../keys/count.ts'
import { isFrozen } from '../keys/freeze.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { numberStands } from '../look/stood.ts'
import type { Step } from './step.ts'

/** A list of partitions as one line, to compare it with another list. */
export function partitionsLine(partitions: readonly string[]): string {
  return JSON.stringify(partitions)
}

/** What the fact `defined` says once the definition is carried out. */
export function definedLine({ share, partitions }: Snapshot['definition']): string {
  return share ? JSON.stringify({ percent: share.percent, of: share.of }) : partitionsLine(partitions)
}

/** The partitions that the number in force, or the definition, asks for. */
export function wantedIds({ count, definition, members }: Snapshot): readonly string[] {
  if (count?.by === 'hand') return idsUpTo(count.number)
  if (definition.share === undefined) return definition.partitions
  return idsUpTo(numberFor(definition.share, members) ?? count?.number ?? 0)
}

/**
 * Whether the definition says something else than the set, and may say it now. People's number wins, so the definition waits
 * for a reset; a percentage waits until its number has stood for a while.
 * @returns null where a list of partitions, or the present set, decides as ever
 */
export function mayDefineNumber(snapshot: Snapshot): boolean | null {
  const { count, definition, defined, instance, proposals } = snapshot
  const { share } = definition
  if (count === null && share === undefined) return null
  if (!defined) return share === undefined || count?.by === 'hand' ? null : hasStood(snapshot)
  if (count?.by === 'garbled') return false
  if (count?.by === 'reset') return count.instance === instance && !isFrozen(snapshot)
  if (count?.by === 'hand') return proposals.has(instance) // to withdraw it
  if (share === undefined) return null
  if (isCarriedOut(snapshot)) return proposals.has(instance)
  if (count !== null && sameShare(count.share, share)) return true // another instance with this definition was first
  return hasStood(snapshot) ? null : false
}

/** Whether the definition was carried out, or was taken note of. A percentage is not while `spec/number` is missing. */
export function isCarriedOut({ count, definition, definedLast }: Snapshot): boolean {
  return definedLast === definedLine(definition) && (definition.share === undefined || count !== null)
}

/** The number that the definition's percentage means has stood for long enough, or is in force already. */
function hasStood({ definition: { share }, members, count, stood, now }: Snapshot): boolean {
  const number = share ? numberFor(share, members) : null
  if (share === undefined || number === null) return false
  if (number === count?.number) return true
  return now >= (stood.get(numberStands(number)) ?? Number.POSITIVE_INFINITY) + share.settleMs
}

/** One instance does this for all: the first member by name that knows of such numbers. */
export function countStep(snapshot: Snapshot): Step | null {
  const { count, defined, definition, members, stood, now } = snapshot
  if (count === null || count.by === 'garbled' || !defined || !isOnDuty(snapshot)) return null
  const frozen = isFrozen(snapshot)
  if (count.by === 'reset') {
    const isTaken = members.some(({ instance }) => instance === count.instance)
    return isTaken || frozen ? null : { do: 'count', what: 'reset', number: count.number }
  }
  if (definition.source !== null) return null
  const { share, number, done, had } = count
  const next = share && !frozen ? numberFor(share, members) : null
  const since = next === null || next === number ? undefined : stood.get(numberStands(next))
  if (share && next !== null && since !== undefined && since + share.settleMs <= now)
    return { do: 'count', what: 'write', number: next }
  return done || (frozen && number < had) ? null : { do: 'count', what: 'bring', number }
}

function isOnDuty({ members, instance }: Snapshot): boolean {
  const able = members.filter(({ absence, counts }) => absence !== 'leaving' && counts)
  return able.every(other => instance <= other.instance) && able.some(one => one.instance === instance)
}
