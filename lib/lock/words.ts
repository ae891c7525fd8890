/** Sentences about a lock. */
import { seconds } from '../base/clock.ts'
import { keyRefusal, type LockKeys, safeId } from '../base/names.ts'
import { type Lock, takeoverWait } from '../keys/lock.ts'
import type { Look } from './slots.ts'

/** A name on one line, with control characters escaped. */
export function shown(name: string): string {
  if (/^[ -~]*$/.test(name)) return name // the other expression takes a while to compile
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) ? JSON.stringify(name) : name
}

/** Why a lock should not have this name; null when every version of Consul accepts its keys. */
export function nameRefusal(name: string, keys: LockKeys): string | null {
  const why = keyRefusal(keys.spec)
  return (
    why && `Consul's agents from 1.22 on take no key that holds ${why}; call it ${safeId(name)} wherever it is used`
  )
}

/** Who holds it, and since when. */
export function holders(name: string, { slots }: Look): string {
  const taken = [...slots.values()].filter(lock => lock.session !== null || !lock.clean).map(holder)
  if (taken.length === 0) return `${shown(name)} was taken by others again and again`
  return `${shown(name)} ${taken.length > 1 ? `has ${taken.length} slots in use: ` : ''}${taken.join(', ')}`
}

function holder({ session, held }: Lock): string {
  const who = held === null ? 'by somebody unknown' : `by ${held.instance} since ${held.since}`
  if (session !== null) return `is held ${who}`
  const wait = held === null ? '' : ` within ${seconds(takeoverWait(held.lease, held.grace))}`
  return `was held ${who} and lost; it can be taken over${wait}`
}
