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

/** @param interval the time until this is asked again, ms */
export function isLookDue(files: InstanceFiles, now: number, interval: number): boolean {
  return isOlder(files, now, every - interval)
}

/** Whether the indexes are to be asked, where a look is due and the last one may stand for it. */
export function isQuestionDue(files: InstanceFiles, now: number, interval: number): boolean {
  return isOlder(files, now, Math.min(longestPause, Math.max(every, membersIn(files) * forEachMember)) - interval)
}

function isOlder({ looked }: InstanceFiles, now: number, pause: number): boolean {
  const [boot, at] = readFact(looked)?.split(' ') ?? []
  const age = now - Number(at) // below 0 when the clock began anew
  return boot !== bootId() || !(age >= 0 && age < pause)
}

function membersIn({ members }: InstanceFiles): number {
  return readFact(members)?.split('\n').length ?? 1
}
