/** What a roll-out makes this instance do beside the restarts that it is asked for. Pure. */

import type { Lock } from '../keys/lock.ts'
import type { Member } from '../keys/member.ts'
import { isUnderWay } from '../keys/roll.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { isAsMeant, meantFor, whyNot } from '../roll/meant.ts'
import { isAssumed, type Local } from '../state/local.ts'

/**
 * One process has all partitions of the instance: as soon as one of them is started anew for a roll-out, the others have to
 * be, since that ends the process of all.
 */
export function mustFollow(snapshot: Snapshot, id: string, lock: Lock, local: Local): boolean {
  const { definition, settings, roll, locks, session, restarts, instance } = snapshot
  if (definition.run.per !== 'instance' || !isUnderWay(roll, settings) || local.shepherd === null) return false
  const isMeant = (one: string, { held }: Lock) => isAsMeant(held, meantFor(snapshot, definition, one, instance))
  if (isMeant(id, lock)) return false
  const own = [...locks].filter(([, one]) => one.session !== null && one.session === session)
  return own.some(([one, other]) => restarts.has(one) || isMeant(one, other))
}

/** The member key says other versions to be prepared, or other failures, than this instance knows. */
export function saysOther({ own, definition }: Snapshot, { versions }: Member): boolean {
  if (definition.versions?.prepare === undefined || own === undefined) return false
  const { prepared = null, failed } = versions ?? {}
  return (
    prepared?.join(' ') !== own.prepared.join(' ') || failed?.of !== own.failed?.of || failed?.why !== own.failed?.why
  )
}

/** The partitions that this instance holds and does not start, or not again, and why: there is no version that it may start them in. */
export function unstartable(snapshot: Snapshot): Map<string, string> {
  const { definition, local, own, instance, restarts } = snapshot
  if (definition.versions === undefined) return new Map()
  return new Map(
    [...local].flatMap(([id, one]) => {
      const waits = one.shepherd !== null
      if (!isAssumed(one) || (waits && !one.restart && !restarts.has(id))) return []
      const { version } = meantFor(snapshot, definition, id, instance)
      const why = whyNot(definition, own?.prepared ?? null, version)
      return why === null ? [] : [[id, `${waits ? 'waits to be restarted' : 'no version'}: ${why}`] as const]
    }),
  )
}
