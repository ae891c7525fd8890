/** When this instance last looked at the cluster, and when it must look again. */
import { existsSync } from 'node:fs'
import { bootClock, bootId } from '../base/clock.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** How often, ms. Where the last look may stand for the next one, only the indexes are asked then: see unchanged.ts. */
const every = 10_000

/** For each member so much more seldom, ms: to give the index of a prefix the server walks all of its keys. */
const forEachMember = 100

/** How seldom at the most, ms. */
const seldom = 300_000

/** It has looked, or learnt that nothing has changed: the guard sees to it that it looks again. */
export function rememberLooked(files: InstanceFiles, at = bootClock()): void {
  writeFact(files.looked, `${bootId()} ${at}`)
}

/** The last look stands for no other. Where nothing can be written it still does, until it is too old. */
export function endRest(files: InstanceFiles): void {
  try {
    removeFact(files.rest)
  } catch {
    // A read-only disk must not cost the guard its word.
  }
}

/** @param before the next of these is asked, ms */
export function isLookDue(files: InstanceFiles, now: number, before: number): boolean {
  const [boot, looked] = readFact(files.looked)?.split(' ') ?? []
  const age = now - Number(looked) // below 0 when the clock began anew
  const pause = existsSync(files.rest) ? Math.min(seldom, Math.max(every, membersIn(files) * forEachMember)) : every
  return boot !== bootId() || !(age >= 0 && age < pause - before)
}

function membersIn({ members }: InstanceFiles): number {
  return readFact(members)?.split('\n').length ?? 1
}
