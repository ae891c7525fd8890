/** When this instance last looked at the cluster, and when it must look again. */
import { bootClock, bootId } from '../base/clock.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** How often a look is due, ms. Where the last one may stand for it, only the indexes are asked: see unchanged.ts. */
const every = 10_000

/** How much longer each member makes the pause between two questions for the indexes, ms: the server walks all keys for one. */
const forEachMember = 100

/** The longest such pause, ms. */
const longestPause = 300_000

/** From this many members on, what is not urgent waits for each instance's next look, so that they do not all look at once. */
const crowd = 30

/** It has looked, or learnt that nothing has changed: the guard sees to it that it looks again. */
export function rememberLooked(files: InstanceFiles, at = bootClock()): void {
  writeFact(files.looked, `${bootId()} ${at}`)
}

/** The last look stands for no other. Where nothing can be written it still does, until it is too old. */
export function endRest(files: InstanceFiles): void {
  try {
    removeFact(files.rest)
  } catch {
    // A read-only disk must not make the guard fail.
  }
}

/** Whether its last look began less than so long ago, ms. */
export function hasLookedWithin(files: InstanceFiles, now: number, ms: number): boolean {
  return !isOlder(lookedAt(files), now, ms)
}

/** @param interval the time until this is asked again, ms */
export function isLookDue(files: InstanceFiles, now: number, interval: number): boolean {
  return isOlder(lookedAt(files), now, every - interval)
}

/** Whether the indexes are to be asked, where a look is due and the last one may stand for it. */
export function isQuestionDue(files: InstanceFiles, now: number, interval: number): boolean {
  const looked = lookedAt(files)
  // Instances that looked at the same moment ask at different ones: the clocks of their machines differ.
  const share = 0.75 + ((looked ?? 0) % 1000) / 2000
  const pause = Math.min(longestPause, membersIn(files) * forEachMember * share)
  return isOlder(looked, now, Math.max(every, pause) - interval)
}

/** Whether there are so many members that not all of them may look at once without need. */
export function isCrowd(files: InstanceFiles): boolean {
  return membersIn(files) >= crowd
}

/** Boot clock, ms; null when it was another boot, or never. */
function lookedAt({ looked }: InstanceFiles): number | null {
  const [boot, at] = readFact(looked)?.split(' ') ?? []
  return boot === bootId() ? Number(at) : null
}

function isOlder(at: number | null, now: number, pause: number): boolean {
  if (at === null) return true
  const age = now - at // below 0 when the clock began anew
  return !(age >= 0 && age < pause)
}

function membersIn({ members }: InstanceFiles): number {
  return readFact(members)?.split('\n').length ?? 1
}
