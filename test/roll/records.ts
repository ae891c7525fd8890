/** Roll-outs and what a look shows of one, for the tables. */
import type { Roll, RollInForce } from '../../lib/keys/roll.ts'
import { type Next, next, type View } from '../../lib/roll/next.ts'
import type { Unit } from '../../lib/roll/units.ts'

export const at = '2026-01-01T00:10:00.000Z'
export const settle = 10_000

export function rollOf(over: Partial<Roll> = {}): Roll {
  return {
    id: 'r1',
    to: '2.0',
    from: '1.0',
    by: 'ada@host',
    since: '2026-01-01T00:00:00.000Z',
    unit: 'partition',
    max: { number: 2 },
    steps: [{ percent: 100 }],
    settleMs: settle,
    limitMs: 60_000,
    ack: false,
    autoRevert: false,
    only: null,
    state: 'rolling',
    before: null,
    step: 0,
    cursor: null,
    skipped: [],
    again: [],
    round: 0,
    why: null,
    reached: 0,
    of: 0,
    changed: '2026-01-01T00:00:00.000Z',
    ...over,
  }
}

export function inForce(over: Partial<Roll> = {}): RollInForce {
  return { ...rollOf(over), index: 77 }
}

/** In the old version, and well. */
export function old(name: string, over: Partial<Unit> = {}): Unit {
  return {
    name,
    covered: true,
    partitions: [name],
    notNew: [name],
    notOld: [],
    available: true,
    readyFor: 3_600_000,
    restarts: 0,
    failing: null,
    life: `${name} 100`,
    instance: 'a:svc',
    ...over,
  }
}

/** In the new version, and well for long enough. */
export function fresh(name: string, over: Partial<Unit> = {}): Unit {
  return old(name, { notNew: [], notOld: [name], life: `${name} 200`, ...over })
}

export const down = { available: false, readyFor: null }

export function viewOf(units: readonly Unit[], over: Partial<View> = {}): View {
  return { units, members: [], age: () => 5000, asked: new Set(), at, ...over }
}

/**
 * A cluster that does what it is asked: each round, whoever was asked is down, then young, then well. `broken` stay down.
 * @returns the most that were unavailable at once, and where it ended
 */
export function played(
  roll: Roll,
  names: readonly string[],
  { broken = [], rounds = 500 }: { broken?: readonly string[]; rounds?: number } = {},
): { readonly roll: Roll; readonly most: number; readonly restarted: readonly string[] } {
  const units = new Map(names.map(name => [name, old(name)]))
  const restarted: string[] = []
  let now = roll
  let most = 0
  for (let round = 0; round < rounds; round++) {
    const step: Next = next(now, viewOf([...units.values()]))
    now = step.roll
    for (const name of step.ask) {
      restarted.push(name)
      const back = now.state === 'reverting'
      units.set(name, (back ? old : fresh)(name, { ...down, restarts: 0 }))
    }
    most = Math.max(most, [...units.values()].filter(({ available }) => !available).length)
    if (step.ask.length > 0) continue
    for (const [name, unit] of units) {
      const isBad = broken.includes(name) && unit.notOld.length > 0
      if (isBad) units.set(name, { ...unit, ...down, restarts: unit.restarts + 1, failing: 'crash-looping: exit 1' })
      else units.set(name, { ...unit, available: true, readyFor: (unit.readyFor ?? -2000) + 2000 })
    }
    if (['done', 'reverted', 'stopped', 'waiting'].includes(now.state)) break
  }
  return { roll: now, most, restarted }
}
