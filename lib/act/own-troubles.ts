/** Problems of this instance that no other machine can see, for its report. Each sentence ends with the next step. */
import { existsSync } from 'node:fs'
import { bootClock, bootId, seconds } from '../base/clock.ts'
import { shellWord } from '../base/printable.ts'
import { numberFor } from '../keys/count.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'

/** @param problem why the definition file, as it is now, is not in force; null when it is */
export function ownTroubles(files: InstanceFiles, snapshot: Snapshot, problem: string | null): readonly string[] {
  const definition = problem === null ? null : `${problem}; correct it: it takes effect as soon as it is valid`
  const found = [definition, drainWords(files, snapshot), twinWords(files, bootClock()), shareWords(snapshot)]
  return found.filter(one => one !== null)
}

/** Why this instance is drained, when a check or its worker caused the drain; null otherwise. */
function drainWords(files: InstanceFiles, { settings, instance, service }: Snapshot): string | null {
  if (!settings.drained.includes(instance)) {
    if (existsSync(files.closed)) removeFact(files.closed)
    return null
  }
  const end = `watchbill drain ${shellWord(service)} ${shellWord(instance)} off`
  const byCheck = /^\S+ \S+ \S+ (.*)$/s.exec(readFact(files.drained) ?? '')?.[1]
  if (byCheck !== undefined) return `is drained: ${byCheck}; to end it now: ${end}`
  const why = readFact(files.closed)
  return why === null ? null : `is drained: its worker takes nothing any more (${why}); to take part again: ${end}`
}

/** Why its percentage gives the service no number of partitions, or not yet; null when it does, or another number counts. */
function shareWords({ definition: { share }, count, defined, members }: Snapshot): string | null {
  if (share === undefined || count?.by === 'hand') return null
  const number = numberFor(share, members)
  if (number === null)
    return `finds no number in ${share.of} of any member that takes its share, so the number of partitions stays as it is: give it in the meta of the definitions, or end the drains`
  return defined
    ? null
    : `writes the set of ${number} partitions once that number has stood for ${seconds(share.settleMs)}`
}

/** A twin is reported once it was seen twice within this time, and until this long after it was last seen, ms. */
const twinLasts = 60_000

/** Notes that another session takes part under this name. Seen only once, it may be this instance's own, from before a restore. */
export function noteTwin(files: InstanceFiles, now: number): void {
  const seen = twinSeen(files, now)
  writeFact(files.twin, `${bootId()} ${now} ${seen + 1}`)
}

/** How often a twin was seen lately. */
export function twinSeen(files: InstanceFiles, now: number): number {
  const [boot, at, times] = readFact(files.twin)?.split(' ') ?? []
  const age = now - Number(at)
  return boot === bootId() && age >= 0 && age < twinLasts ? Number(times) : 0
}

function twinWords(files: InstanceFiles, now: number): string | null {
  if (twinSeen(files, now) < 2) return null
  return 'runs twice: another machine, or another state directory, takes part under this name and the two take the locks from each other; give one of the two agents another node_name, then run configure there and restart the agent'
}
