/**
 * Placement by the plan of a scheduler. An entry of the plan counts like a pin, as long as it names a member that takes part
 * and no rule, pin, limit or cool-down refuses it. Any other entry is void meanwhile, and the ordinary roster decides. Pure.
 */

import { pointersOf } from '../definition/rules.ts'
import type { OwnPlan } from '../keys/own-plan.ts'
import { refusalsOf } from './place.ts'
import type { Asked } from './placing/kinds.ts'
import type { Placement } from './rule.ts'

export interface Followed extends Placement {
  /** The entries that do not count, and why: partition id -> words. */
  readonly voided: ReadonlyMap<string, string>
}

export interface Following extends Asked {
  /** The members that take part, and not only keep their place. */
  readonly present: ReadonlySet<string>
}

type ByPins = (pins: ReadonlyMap<string, string>, partitions: readonly string[]) => Placement

/** How often entries are left out before none counts; each time at least one is. */
const mostRounds = 20

/** Why nobody has a partition of which the plan says so. */
export function leftToNobody(reason: string): string {
  return `the scheduler gives it to nobody: ${reason}`
}

/** @param by places these partitions by the rules, with these pins */
export function follow(plan: Pick<OwnPlan, 'assignment' | 'nobody'>, asked: Following, by: ByPins): Followed {
  const { counted, voided } = entriesThatCount(plan, asked)
  const pinned = (id: string) => effectivePin(asked, id)
  const idle = asked.partitions.filter(id => plan.nobody.has(id))
  const nobody = new Set(idle.filter(id => pinned(id) === undefined))
  for (const id of idle) if (!nobody.has(id)) voided.set(id, pinnedTo(pinned(id) as string))
  const partitions = nobody.size === 0 ? asked.partitions : asked.partitions.filter(id => !nobody.has(id))
  const whole = counted.size === partitions.length && areWithinLimits(asked, counted)
  const { placed, unplaced } = whole
    ? { placed: counted, unplaced: [] }
    : withEntries(asked, counted, voided, pins => by(pins, partitions))
  const reasons = [...nobody].map(id => [id, leftToNobody(plan.nobody.get(id) as string)] as const)
  return { placed, unplaced: new Map([...unplaced, ...reasons]), voided }
}

/** A plan of all partitions needs no search where no rule is about several of them. Then a look costs what it did. */
function areWithinLimits({ members, rules, pins }: Asked, counted: ReadonlyMap<string, string>): boolean {
  if (pins.size > 0 || rules.apart.length > 0 || members.some(({ maxCost }) => maxCost !== undefined)) return false
  const loads = new Map<string, number>()
  for (const instance of counted.values()) loads.set(instance, (loads.get(instance) ?? 0) + 1)
  return members.every(
    ({ instance, maxPartitions }) => (loads.get(instance) ?? 0) <= (maxPartitions ?? Number.POSITIVE_INFINITY),
  )
}

/**
 * Places with the entries as pins. Those that find no room beside the others are left out, and those that cost another
 * partition its place.
 */
function withEntries(
  { pins }: Asked,
  counted: Map<string, string>,
  voided: Map<string, string>,
  by: (pins: ReadonlyMap<string, string>) => Placement,
): Placement {
  let without: Placement | null = null
  for (let round = 0; round < mostRounds && counted.size > 0; round++) {
    const found = by(new Map([...pins, ...counted]))
    if (found.unplaced.size === 0) return found
    const homeless = [...counted.keys()].filter(id => found.unplaced.has(id))
    for (const id of homeless) leaveOut(id, instance => `${instance} has no room for it`)
    if (homeless.length > 0) continue
    without ??= by(pins)
    const robbers = robbersIn(found, without, counted)
    if (robbers.length === 0) return found
    for (const id of robbers) leaveOut(id, instance => `${instance} has only room that others need`)
  }
  for (const id of [...counted.keys()]) leaveOut(id, () => 'the plan leaves others without a place')
  return without ?? by(pins)

  function leaveOut(id: string, why: (instance: string) => string) {
    voided.set(id, why(counted.get(id) as string))
    counted.delete(id)
  }
}

/** The entries on whose members others have their place without the plan; all of them, where the cause lies elsewhere. */
function robbersIn(found: Placement, without: Placement, counted: ReadonlyMap<string, string>): string[] {
  if (found.unplaced.size <= without.unplaced.size) return []
  const homes = new Set([...found.unplaced.keys()].map(id => without.placed.get(id)))
  const robbers = [...counted].filter(([, instance]) => homes.has(instance)).map(([id]) => id)
  return robbers.length > 0 ? robbers : [...counted.keys()]
}

/** The entries that no single fact speaks against. */
function entriesThatCount({ assignment }: Pick<OwnPlan, 'assignment'>, asked: Following) {
  const { partitions, rules, pins, avoided, present } = asked
  const refusal =
    pins.size > 0 || rules.only.length > 0 || pointersOf(rules).length > 0 ? refusalsOf(asked) : () => null
  const counted = new Map<string, string>()
  const voided = new Map<string, string>()
  const whyNot = (id: string, instance: string): string | null => {
    if (!present.has(instance)) return `${instance} does not take part`
    const pin = effectivePin(asked, id)
    if (pin !== undefined && pin !== instance) return pinnedTo(pin)
    if (avoided.get(id) === instance) return `${instance} gave it up because of a check`
    const refused = refusal(id, instance)
    return refused === null ? null : `${instance} ${refused}`
  }
  for (const id of partitions) {
    const instance = assignment.get(id)
    if (instance === undefined) continue
    const why = whyNot(id, instance)
    if (why === null) counted.set(id, instance)
    else voided.set(id, why)
  }
  return { counted, voided }
}

/** A pin counts while its instance takes part. */
function effectivePin({ pins, present }: Pick<Following, 'pins' | 'present'>, id: string): string | undefined {
  const pin = pins.get(id)
  return pin !== undefined && present.has(pin) ? pin : undefined
}

function pinnedTo(instance: string): string {
  return `it is pinned to ${instance}`
}
