/**
 * The fact `gone`: the keys that instances which take no part have left in Consul, and since when this instance has seen each
 * of them as it is. `<boot id> <boot-clock ms of the last look>`, and a line `<index> <boot-clock ms> <key>` for each.
 */
import { bootId } from '../base/clock.ts'
import { readFact, writeFact } from './facts.ts'
import type { InstanceFiles } from './paths.ts'

/** Such a key, as it stands. */
export interface Left {
  /** Its ModifyIndex. */
  readonly index: number
  readonly since: number
}

type File = Pick<InstanceFiles, 'gone'>

/** How often they are looked for, ms: at the full hours of the boot clock, give or take some ticks. */
const every = 3_000_000

export function isGoneDue(files: File, now: number): boolean {
  const last = lastLook(readFact(files.gone))
  return last === null || last > now || now - last >= every
}

/** Null when nothing is known in this boot. */
export function readGone(files: File): Map<string, Left> | null {
  const text = readFact(files.gone)
  if (text === null || lastLook(text) === null) return null
  const lines = text.split('\n').slice(1)
  return new Map(
    lines.flatMap(line => {
      const [, index, since, key = ''] = /^(\d+) (\d+) (.+)$/.exec(line) ?? []
      return since === undefined ? [] : [[key, { index: Number(index), since: Number(since) }] as const]
    }),
  )
}

export function writeGone(files: File, gone: ReadonlyMap<string, Left>, now: number): void {
  const lines = [...gone].map(([key, { index, since }]) => `${index} ${since} ${key}`)
  writeFact(files.gone, [`${bootId()} ${now}`, ...lines].join('\n'))
}

function lastLook(text: string | null): number | null {
  const [boot, last] = text?.split('\n', 1)[0]?.split(' ') ?? []
  return boot === bootId() && /^\d+$/.test(last ?? '') ? Number(last) : null
}
