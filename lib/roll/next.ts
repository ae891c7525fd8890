/**
 * The next state of a roll-out. Pure: the record, what a look and the holders' published health show, and for how long this
 * has been seen. Whoever holds duty/rollout writes what comes out by check-and-set, and asks the holders to restart. What was
 * decided stands in the record; what has happened is read from the locks. So anybody can go on from there.
 */
import { seconds } from '../base/clock.ts'
import { byName, listed } from '../base/text.ts'
import type { Member } from '../keys/member.ts'
import { amountOf, isOver, mostOf, mostSkipped, type Roll, type RollState } from '../keys/roll.ts'
import type { Unit } from './units.ts'

/** What the step is decided by. */
export interface View {
  readonly units: readonly Unit[]
  readonly members: readonly Pick<Member, 'instance' | 'absence' | 'versions'>[]
  /** For how long each life has been seen by whoever decides, ms: see `Unit.life`. */
  readonly age: (life: string) => number
  /** Partitions that are asked to restart already. */
  readonly asked: ReadonlySet<string>
  /** Wall clock, ISO; for people. */
  readonly at: string
}

export interface Next {
  /** The record as it is to be; the same object when nothing changes. */
  readonly roll: Roll
  /** The partitions whose holders are to restart them. */
  readonly ask: readonly string[]
  /** What it waits for, in words; null when it waits for nothing that has a name. */
  readonly waits: string | null
}

/** A process of a unit that ended so often since the unit was started anew counts as failing: a single end may be chance. */
const mostEnds = 2
/** The words of a report may be of the earlier process for so long, ms. */
const stale = 10_000

export function next(roll: Roll, view: View): Next {
  const moved = stepped(roll, view)
  const { reached, of } = counted(view.units)
  const isNews = moved.roll !== roll || reached !== roll.reached || of !== roll.of
  if (!isNews) return moved
  const at = moved.roll.state === roll.state ? roll.changed : view.at
  return { ...moved, roll: { ...moved.roll, reached, of, changed: at } }
}

function counted(units: readonly Unit[]): Pick<Roll, 'reached' | 'of'> {
  const covered = units.filter(unit => unit.covered)
  return {
    reached: covered.filter(unit => unit.partitions.length > 0 && unit.notNew.length === 0).length,
    of: covered.length,
  }
}

function stepped(roll: Roll, view: View): Next {
  if (isOver(roll)) return still(roll)
  if (roll.state === 'preparing') return prepared(roll, view)
  if (roll.state === 'rolling') return rolled(roll, view)
  if (roll.state === 'reverting') return reverted(roll, view)
  return still(roll)
}

function still(roll: Roll, waits: string | null = null): Next {
  return { roll, ask: [], waits }
}

function stopped(roll: Roll, why: string): Next {
  return still({ ...roll, state: 'stopped', before: roll.state, why })
}

/** For which round of which roll-out an instance has tried to prepare. */
export function roundOf({ id, round }: Pick<Roll, 'id' | 'round'>): string {
  return `${id}.${round}`
}

function prepared(roll: Roll, { members }: View): Next {
  const to = roll.to
  const asked = members.filter(one => one.absence !== 'leaving' && !roll.skipped.includes(one.instance))
  const failed = asked.find(({ versions }) => versions?.failed?.version === to && versions.failed.of === roundOf(roll))
  if (failed !== undefined)
    return stopped(roll, `${failed.instance} cannot prepare ${to}: ${failed.versions?.failed?.why}`)
  const lacking =
    to === null ? [] : asked.filter(({ versions }) => versions?.prepared && !versions.prepared.includes(to))
  if (lacking.length > 0) return still(roll, `${listed(lacking.map(({ instance }) => instance))} to prepare ${to}`)
  return still({ ...roll, state: 'rolling' })
}

function rolled(roll: Roll, view: View): Next {
  const { units } = view
  const covered = units.filter(unit => unit.covered)
  const failure = failureIn(roll, view)
  if (failure !== null)
    return roll.autoRevert ? still({ ...roll, state: 'reverting', why: failure }) : stopped(roll, failure)
  const target = targetOf(roll, covered.length)
  const cursor = advanced(roll, units, covered.slice(0, target))
  const further = cursor === roll.cursor ? roll : { ...roll, cursor }
  const under = inFlight(further, covered)
  const ask = asksOf(under, view, unit => unit.notNew)
  const last = covered[target - 1]
  const isDone = under.length === 0 && (last === undefined || isReached(further, last))
  if (isDone) return { roll: stepDone(further), ask, waits: null }
  return { roll: further, ask, waits: waitsFor(under, units, further) }
}

/** How many of the units have the new version at the end of the step under way. */
function targetOf({ steps, step }: Roll, all: number): number {
  if (step === steps.length - 1) return all
  return Math.min(all, amountOf(steps[step] as Roll['steps'][number], all))
}

function isReached({ cursor }: Roll, { name }: Unit): boolean {
  return cursor !== null && byName(name, cursor) <= 0
}

/** Have come to their turn, and are not well yet. */
function inFlight(roll: Roll, covered: readonly Unit[]): Unit[] {
  const turn = covered.filter(unit => isReached(roll, unit) && !roll.skipped.includes(unit.name))
  return turn.filter(unit => unit.notNew.length > 0 || !unit.available || (unit.readyFor as number) < roll.settleMs)
}

/** What nobody can use now, but for what people have skipped. */
function unavailable(roll: Roll, units: readonly Unit[]): Unit[] {
  return units.filter(unit => !unit.available && !roll.skipped.includes(unit.name))
}

/** The cursor moves on as long as no more than `max` units are unavailable or not yet well. */
function advanced(roll: Roll, units: readonly Unit[], upTo: readonly Unit[]): string | null {
  const most = mostOf(roll.max, units.length)
  const busy = new Set([
    ...inFlight(
      roll,
      units.filter(unit => unit.covered),
    ),
    ...unavailable(roll, units),
  ])
  let { cursor } = roll
  for (const unit of upTo) {
    if (isReached(roll, unit)) continue
    // What is not available already costs nothing more. What has the new version already, and is well, neither.
    const isFree = busy.has(unit) || (unit.notNew.length === 0 && unit.partitions.length > 0)
    if (!isFree && busy.size >= most) break
    if (!isFree) busy.add(unit)
    cursor = unit.name
  }
  return cursor
}

function asksOf(under: readonly Unit[], { asked }: View, of: (unit: Unit) => readonly string[]): string[] {
  return under.flatMap(of).filter(id => !asked.has(id))
}

function stepDone(roll: Roll): Roll {
  if (roll.step === roll.steps.length - 1) return { ...roll, state: 'done', why: null }
  const further = { ...roll, step: roll.step + 1 }
  return roll.ack ? { ...further, state: 'waiting' } : further
}

/** The first unit with the new version that is not well, in words; null when there is none. */
function failureIn(roll: Roll, { units, age }: View): string | null {
  for (const unit of units) {
    const isNew = unit.covered && isReached(roll, unit) && unit.notNew.length === 0 && unit.partitions.length > 0
    if (!isNew || roll.skipped.includes(unit.name)) continue
    const old = age(unit.life)
    const isWell = unit.readyFor !== null && unit.readyFor >= roll.settleMs
    const where = unit.instance === null || unit.instance === unit.name ? '' : ` on ${unit.instance}`
    const said = unit.failing === null ? '' : `: ${unit.failing}`
    if (isWell) continue
    if (unit.restarts >= mostEnds) return `${unit.name}${where} ended ${unit.restarts} times since its start${said}`
    if (unit.failing !== null && (unit.restarts > 0 || old > stale)) return `${unit.name}${where} fails${said}`
    if (old > roll.limitMs + roll.settleMs)
      return `${unit.name}${where} is not ready after ${seconds(roll.limitMs)}${said}`
  }
  return null
}

/**
 * The units whose turn has come, and of which something is wrong now. How long a unit has been well does not count: a person's
 * program sees it for the first time.
 */
function bad({ cursor, skipped }: Roll, { units }: View): Unit[] {
  return units.filter(unit => {
    const isTurn = unit.covered && cursor !== null && byName(unit.name, cursor) <= 0 && !skipped.includes(unit.name)
    return isTurn && (!unit.available || unit.failing !== null || unit.restarts >= mostEnds)
  })
}

/** Everything gets the version in force back, within the same limit; what fails now does so first. */
function reverted(roll: Roll, view: View): Next {
  const { units, asked } = view
  const left = units.filter(unit => unit.covered && unit.notOld.length > 0)
  if (left.length === 0) return still({ ...roll, state: 'reverted' })
  const most = mostOf(roll.max, units.length)
  const isAsked = (unit: Unit) => unit.partitions.some(id => asked.has(id))
  const busy = new Set(units.filter(unit => !unit.available || isAsked(unit)))
  const turn: Unit[] = []
  for (const unit of left) {
    if (!busy.has(unit) && busy.size >= most) continue
    busy.add(unit)
    turn.push(unit)
  }
  return { roll, ask: asksOf(turn, view, unit => unit.notOld), waits: null }
}

function waitsFor(under: readonly Unit[], units: readonly Unit[], roll: Roll): string | null {
  const names = [...new Set([...under, ...unavailable(roll, units)].map(({ name }) => name))].sort(byName)
  return names.length === 0 ? null : `${listed(names)} to be ready`
}

/** What people may do with a roll-out. */
export const orders = ['pause', 'resume', 'proceed', 'skip', 'revert'] as const
export type Order = (typeof orders)[number]

const from: Readonly<Record<Order, readonly RollState[]>> = {
  pause: ['preparing', 'rolling', 'waiting', 'reverting'],
  resume: ['paused', 'stopped'],
  proceed: ['waiting'],
  skip: ['stopped', 'rolling', 'preparing'],
  revert: ['preparing', 'rolling', 'waiting', 'paused', 'stopped'],
}

/** The record after an order; null when the order means nothing in this state. @param view needed for `skip` */
export function ordered(roll: Roll, order: Order, view: View): Roll | null {
  if (!from[order].includes(roll.state)) return null
  const changed = { ...roll, changed: view.at }
  if (order === 'pause') return { ...changed, state: 'paused', before: roll.state }
  if (order === 'proceed') return { ...changed, state: 'rolling' }
  if (order === 'revert') {
    // Where nothing was restarted yet, nothing has to go back.
    return { ...changed, state: 'reverting', before: null }
  }
  const back = roll.before ?? 'rolling'
  if (order === 'resume') {
    // What failed gets another try, with new figures; what could not be prepared too.
    const again =
      roll.state === 'stopped' && back === 'rolling'
        ? bad(roll, view)
            .filter(unit => unit.notNew.length === 0)
            .map(({ name }) => name)
            .slice(0, mostSkipped)
        : roll.again
    const round = roll.round + Number(roll.state === 'stopped')
    return { ...changed, state: back, before: null, why: null, again, round }
  }
  return skipped(changed, view, roll.state === 'stopped' ? back : roll.state)
}

/** Nobody waits any longer for what is not well now, or for instances that could not prepare. */
function skipped(roll: Roll, view: View, state: RollState): Roll {
  const left =
    state === 'preparing'
      ? view.members.flatMap(({ instance, versions }) => (versions?.failed?.of === roundOf(roll) ? [instance] : []))
      : bad(roll, view).map(({ name }) => name)
  const all = [...new Set([...roll.skipped, ...left])].slice(-mostSkipped)
  return { ...roll, state, before: null, why: null, skipped: all }
}
