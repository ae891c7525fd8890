/**
 * What this instance has seen of the roll-out under way, and since when, by its own boot clock: no wall clock of another
 * machine decides anything. Whoever takes the duty over counts from anew, which only takes longer.
 */
import { bootId } from '../base/clock.ts'
import { fieldsIn } from '../base/json.ts'
import type { FirstSeen } from '../keys/health.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { InstanceFiles } from '../state/paths.ts'

export interface SeenRoll {
  readonly health: FirstSeen
  /** See `Unit.life` -> since when, boot-clock ms. */
  readonly lives: ReadonlyMap<string, number>
}

const nothing: SeenRoll = { health: new Map(), lives: new Map() }

/** @param id of the roll-out */
export function readSeen({ rollSeen }: InstanceFiles, id: string, now: number): SeenRoll {
  const { boot, roll, health, lives } = fieldsIn(readFact(rollSeen))
  if (boot !== bootId() || roll !== id || !isList(health) || !isList(lives)) return nothing
  const isTime = (at: unknown): at is number => typeof at === 'number' && at <= now
  return {
    health: new Map(
      health.flatMap(([instance, index, at]) =>
        isTime(at) ? [[String(instance), { index: Number(index), at }] as const] : [],
      ),
    ),
    lives: new Map(lives.flatMap(([life, at]) => (isTime(at) ? [[String(life), at] as const] : []))),
  }
}

export function writeSeen({ rollSeen }: InstanceFiles, id: string, { health, lives }: SeenRoll): void {
  const rows = [...health].map(([instance, { index, at }]) => [instance, index, at])
  writeFact(rollSeen, JSON.stringify({ boot: bootId(), roll: id, health: rows, lives: [...lives] }))
}

function isList(value: unknown): value is unknown[][] {
  return Array.isArray(value) && value.every(Array.isArray)
}
