/** `watchbill lock --list`: who holds locks, and who waits for them. */

import { seconds } from '../base/clock.ts'
import { lockKeysOf, lockNameFrom, locksRoot } from '../base/names.ts'
import { table } from '../base/table.ts'
import type { Consul } from '../consul/http.ts'
import { type Entry, trees } from '../consul/kv.ts'
import { allSessions } from '../consul/session.ts'
import { type Lock, takeoverWait } from '../keys/lock.ts'
import { lookFrom } from './slots.ts'
import { type Waiter, waiterFrom } from './waiting.ts'
import { shown } from './words.ts'

/** As `--json` prints it. */
export interface Listed {
  readonly name: string
  readonly slots: number
  readonly holders: readonly Holder[]
  readonly waiters: readonly Pick<Waiter, 'by' | 'since'>[]
}

export interface Holder {
  readonly slot: number
  /** `lost`: not given back. Contenders wait until its command is surely gone. */
  readonly state: 'held' | 'lost'
  /** null when its value does not tell. */
  readonly by: string | null
  readonly since: string | null
  /** For a lost lock: it can be taken over within this many ms; null when that is unknown. */
  readonly freeWithin?: number | null
}

/**
 * @param name only this lock
 * @returns `unseen`: the token may not read all sessions, so that waiters may be missing from the list
 * @throws Denied when the token may not read the locks
 */
export async function listLocks(
  consul: Consul,
  name: string | null,
): Promise<{ readonly locks: readonly Listed[]; readonly unseen: boolean }> {
  for (let tries = 1; ; tries++) {
    const entries = await trees(consul, [name === null ? locksRoot : lockKeysOf(name).root])
    const sessions = await allSessions(consul)
    const ids = new Set(sessions.map(({ ID }) => ID))
    const unseen = entries.some(({ session }) => session !== null && !ids.has(session))
    // Ask once more: a session may have ended between the two answers.
    const names = sessions.map(({ Name }) => Name)
    if (!unseen || tries === 2) return { locks: listed(entries, names), unseen }
  }
}

export const unseenRemark =
  'the token may not see every session, so some who wait may be missing; it needs session_prefix "" read'

/** Pure. Locks in the order of their names, waiters with the longest wait first. */
export function listed(entries: readonly Entry[], sessions: readonly string[]): readonly Listed[] {
  const waiters = Map.groupBy(
    sessions.flatMap(session => waiterFrom(session) ?? []).sort((a, b) => (a.since < b.since ? -1 : 1)),
    ({ root }) => root,
  )
  const locks = Map.groupBy(entries, ({ key }) => lockNameFrom(key.split('/')[2] ?? ''))
  return [...locks].flatMap(([name, its]) => {
    if (name === null) return []
    const keys = lockKeysOf(name)
    const { spec, slots } = lookFrom(keys, its)
    return {
      name,
      slots: spec?.slots ?? slots.size,
      holders: [...slots].sort(([a], [b]) => a - b).flatMap(([n, lock]) => holder(n, lock) ?? []),
      waiters: (waiters.get(keys.root) ?? []).map(({ by, since }) => ({ by, since })),
    }
  })
}

function holder(slot: number, { session, clean, held }: Lock): Holder | null {
  if (session === null && clean) return null
  const who = { slot, by: held?.instance ?? null, since: held?.since ?? null }
  if (session !== null) return { ...who, state: 'held' }
  return { ...who, state: 'lost', freeWithin: held && takeoverWait(held.lease, held.grace) }
}

/** The list for people. Without a name, unused locks are left out: every lock that was ever used leaves its keys behind. */
export function listLines(locks: readonly Listed[], name: string | null): string[] {
  const rows = locks.flatMap(lock => [
    ...lock.holders.map(holder => [shown(lock.name), stateOf(lock, holder), holder.by ?? '?', holder.since ?? '?']),
    ...lock.waiters.map(({ by, since }) => [shown(lock.name), 'waits', by, since]),
  ])
  if (rows.length > 0) return table(['LOCK', 'STATE', 'BY', 'SINCE'], rows)
  if (name === null) return ['no lock is held, and nobody waits for one']
  return [locks.length > 0 ? `${shown(name)} is free` : `${shown(name)} was never taken`]
}

function stateOf({ slots }: Listed, { slot, state, freeWithin }: Holder): string {
  const of = slots > 1 ? ` (slot ${slot} of ${slots})` : ''
  if (state === 'held') return `held${of}`
  return `lost${of}: can be taken ${freeWithin ? `within ${seconds(freeWithin)}` : 'after its lease'}`
}
