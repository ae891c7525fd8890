/**
 * Since when this instance has found something that must have stood for a while before it counts, such as another number
 * of partitions: one line each, `<what> <boot-clock ms>`, below the id of the boot. Most services have none.
 */

import type { Definition } from '../definition/definition.ts'
import { numberFor } from '../keys/count.ts'
import { fewLost } from '../keys/freeze.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Cluster } from './cluster.ts'
import { hasLookedWithin } from './looked.ts'

/**
 * Without a look for this long, ms, all records are void: something else may have been true meanwhile. As long as anything stands,
 * a look is due every 10 s.
 */
const voidAfter = 30_000

/** What stands now -> since when, boot-clock ms. */
export type Stood = ReadonlyMap<string, number>

/** The lost that a freeze names are few enough again. */
export const fewAreLost = 'few-are-lost'

/** Nobody who takes part could make another plan. */
export const nobodyAssigns = 'nobody-assigns'

/** This is the number of partitions that the members mean. */
export function numberStands(number: number): string {
  return `number:${number}`
}

/** What stands in this look, and has to have stood for a while: numbers that percentages mean, and that are not in force. */
function standing(cluster: Cluster, { share }: Pick<Definition, 'share'>): string[] {
  const { count, members } = cluster
  const shares = [count?.share ?? undefined, count?.by === 'hand' ? undefined : share].filter(one => one !== undefined)
  const numbers = new Set(shares.map(one => numberFor(one, members)))
  const moved = [...numbers].filter(number => number !== null && number !== count?.number)
  return [
    ...moved.map(number => numberStands(number as number)),
    ...(fewLost(cluster) ? [fewAreLost] : []),
    ...(isUnattended(cluster) ? [nobodyAssigns] : []),
  ]
}

function isUnattended({ ownPlan, members, anyAssigning }: Cluster): boolean {
  return ownPlan.plan !== null && anyAssigning && !members.some(({ assigns }) => assigns)
}

/** The records after a look. @param now when it ended, boot-clock ms */
export function stoodSince(
  files: InstanceFiles,
  boot: string,
  cluster: Cluster,
  definition: Pick<Definition, 'share'>,
  now: number,
): Stood {
  const what = standing(cluster, definition)
  if (what.length === 0) return new Map()
  const before = readStood(files, boot, now)
  return new Map(what.map(one => [one, before.get(one) ?? now]))
}

function readStood(files: InstanceFiles, boot: string, now: number): Stood {
  const [writtenIn, ...lines] = readFact(files.stood)?.split('\n') ?? []
  if (writtenIn !== boot || !hasLookedWithin(files, now, voidAfter)) return new Map()
  return new Map(
    lines.flatMap(line => {
      const [what = '', since] = line.split(' ')
      return Number(since) <= now ? [[what, Number(since)] as const] : []
    }),
  )
}

export function writeStood({ stood }: InstanceFiles, boot: string, records: Stood): void {
  const text = [boot, ...[...records].map(([what, since]) => `${what} ${since}`)].join('\n')
  if (records.size === 0) removeFact(stood)
  else if (readFact(stood) !== text) writeFact(stood, text)
}
