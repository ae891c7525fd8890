/**
 * Locks that this instance last saw held, or lost by their holder: `<CreateIndex> <key>` per line. A lock is clean when it was
 * given back, or made together with its partition. A lock that was deleted and made again by hand says that it is clean,
 * too, while its holder's process may still run. So a lock that was seen held and reappears without a hand-over is not clean.
 */
import { decode, encode } from '../base/names.ts'
import type { Lock } from '../keys/lock.ts'
import { readFact } from '../state/facts.ts'

/** Id -> the lock's CreateIndex; `wiped` where the whole set was deleted since: no new creation explains that. */
export type SeenHeld = ReadonlyMap<string, number>
export const wiped = 0

export function readSeenHeld(file: string): SeenHeld {
  const lines = readFact(file)?.split('\n') ?? []
  return new Map(
    lines.flatMap(line => {
      const [index, name = ''] = line.split(' ')
      const id = decode(name)
      return id === null || !/^\d+$/.test(index ?? '') ? [] : [[id, Number(index)] as const]
    }),
  )
}

/** The text of the fact; empty when there is nothing to remember. */
export function seenHeldText(seen: SeenHeld): string {
  return [...seen].map(([id, index]) => `${index} ${encode(id)}`).join('\n')
}

/** Those that say they are clean, as they were made, although they were seen held. */
export function doubtful(seen: SeenHeld, locks: ReadonlyMap<string, Lock>): string[] {
  return [...seen.keys()].filter(id => isAsMade(locks.get(id)))
}

/** It says that it is clean, and nobody has had it since it was made. */
export function isAsMade(lock: Lock | undefined): boolean {
  return lock !== undefined && lock.session === null && lock.clean && lock.createIndex === lock.modifyIndex
}

/**
 * Whether its partition explains it: that was removed, with the lock, and both were added again in one transaction.
 * @param partition CreateIndex of the partition's key; undefined when it is not there
 */
export function isExplained(seen: number | undefined, { createIndex }: Lock, partition: number | undefined): boolean {
  return seen !== wiped && seen !== createIndex && partition === createIndex
}

/** The locks as this instance treats them: doubtful ones are not clean. */
export function withDoubts<Id>(locks: ReadonlyMap<Id, Lock>, doubts: ReadonlySet<Id>): ReadonlyMap<Id, Lock> {
  if (doubts.size === 0) return locks
  return new Map([...locks].map(([id, lock]) => [id, doubts.has(id) ? { ...lock, clean: false, next: null } : lock]))
}

/**
 * What is remembered after a look.
 * @param locks with their doubts; @param isRemoved whether a partition was taken out of the set, with its lock
 * @param defined there is a set; without one everything was deleted
 */
export function refreshSeenHeld(
  before: SeenHeld,
  locks: ReadonlyMap<string, Lock>,
  { doubts, isRemoved, defined }: Look,
): SeenHeld {
  const after = new Map<string, number>()
  for (const [id, { clean, createIndex }] of locks) {
    if (doubts.has(id)) after.set(id, before.get(id) ?? wiped)
    else if (!clean) after.set(id, createIndex)
  }
  for (const [id, index] of before) {
    if (locks.has(id)) continue
    if (!defined) after.set(id, wiped)
    else if (!isRemoved(id)) after.set(id, index)
  }
  return after
}

interface Look {
  readonly doubts: ReadonlySet<string>
  readonly isRemoved: (id: string) => boolean
  readonly defined: boolean
}
