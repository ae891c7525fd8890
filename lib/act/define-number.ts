/** A definition and the number of partitions in force, `spec/number`: whichever decides writes the key first, by check-and-set. */
import { entriesAt, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { recorded } from '../keys/asked.ts'
import {
  type Count,
  counted,
  countFrom,
  countIn,
  counting,
  countUnchanged,
  countWords,
  followedBy,
  numberIn,
} from '../keys/count.ts'
import { freezeUnchanged } from '../keys/freeze.ts'
import { definePartitions, type Partition, removePartitions } from '../keys/partition-set.ts'
import { definitionOf, tellsOfSet } from '../keys/set-events.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { wantedIds } from '../plan/counting.ts'
import type { Run } from '../state/self.ts'

/** The set is there already: nobody has to bring it to the number. */
function reachedBy({ definition }: Snapshot, number: number): Count {
  const share = definition.share ?? null
  const since = new Date().toISOString()
  return { by: 'definition', number, done: true, had: number, share, clean: true, instance: null, since }
}

/**
 * Before the set is written: a percentage and its number, or that a list decides again. People's number stays.
 * @returns the conditions of every write of the set; null when another instance was first
 */
export async function putNumberInForce(
  run: Run,
  snapshot: Snapshot,
  number: number,
  clean: boolean,
): Promise<readonly Operation[] | null> {
  const { keys, count, definition } = snapshot
  if (count?.by === 'hand') return [countUnchanged(keys, count)]
  // Where a program dies before the set is written, whoever looks next goes on.
  const unfinished = { done: false, had: 0, clean }
  const next = { ...reachedBy(snapshot, number), ...(definition.share && unfinished) }
  const outcome = await transact(run.consul, [counted(keys, count, next)])
  const entry = outcome.done ? outcome.entries.find(({ key }) => key === keys.number) : undefined
  return entry === undefined ? null : [countUnchanged(keys, { index: entry.modifyIndex })]
}

/** After the set was written: it has come to the number. */
export async function reached({ consul }: Run, { keys }: Snapshot): Promise<void> {
  const [entry] = await entriesAt(consul, [keys.number])
  const count = countFrom(entry)
  if (count === null || count.done || count.by === 'garbled' || count.by === 'reset') return
  await transact(consul, counting(keys, count, { ...count, done: true, had: count.number, clean: true }))
}

/**
 * A percentage takes the place of a list or of another percentage. Partitions with names go at once; the numbered ones
 * follow the number, as ever. @returns false when another instance was first
 */
export async function takeOver(
  run: Run,
  snapshot: Snapshot,
  number: number,
  { removed, applied }: { readonly removed: readonly string[]; readonly applied: Operation | null },
): Promise<boolean> {
  const { keys, count, partitions } = snapshot
  const named = removed.filter(id => numberIn(id) === null)
  const tell = tellsOfSet(run.consul, keys, definitionOf)
  if (named.length > 0)
    await removePartitions(run.consul, keys, named, isOwn, { tell, ...(applied && { only: [applied] }) })
  const next = followedBy(count, partitions, reachedBy(snapshot, number))
  const event = await recorded(run.consul, keys, [{ what: 'scaled', why: `to ${countWords(next)}` }], definitionOf)
  const { done } = await transact(run.consul, [...counting(keys, count, next), ...event])
  if (done) run.log(`the number of partitions is ${number}, as its definition says`)
  return done
}

/**
 * After a reset this instance alone brings the set back to its definition's, which needs no proposal: somebody asked for it.
 * @returns false when the number was changed meanwhile
 */
export async function defineAgain(run: Run, snapshot: Snapshot): Promise<boolean> {
  const { keys, count, freeze, definition, partitions } = snapshot
  if (count === null) return false
  if (definition.source !== null) {
    const number = countIn(partitions)
    return (await transact(run.consul, counting(keys, count, reachedBy(snapshot, number)))).done
  }
  const { missingInDefinition } = await import('./proposal.ts')
  const ids = wantedIds(snapshot)
  const gone = await missingInDefinition(run, snapshot, ids)
  const only = [countUnchanged(keys, count), freezeUnchanged(keys, freeze)]
  const tell = tellsOfSet(run.consul, keys, definitionOf)
  const { added, removed } = await definePartitions(run.consul, keys, ids, { gone: highestFirst(gone), only, tell })
  run.log(`went back to its definition's partitions: ${added.length} added, ${removed.length} removed`)
  const number = definition.share ? ids.length : countIn(ids)
  return (await transact(run.consul, counting(keys, count, reachedBy(snapshot, number)))).done
}

function highestFirst(ids: readonly string[]): string[] {
  return ids.toSorted((a, b) => (numberIn(b) ?? -1) - (numberIn(a) ?? -1))
}

function isOwn({ from }: Partition): boolean {
  return from === 'definition' || from === 'source'
}
