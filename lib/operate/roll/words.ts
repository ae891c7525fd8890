/** What `roll` prints: how far a roll-out is, what has begun, and what an order would do. Pure. */
import { shellWord } from '../../base/printable.ts'
import { byName, listed } from '../../base/text.ts'
import { type Amount, amountOf, type Roll } from '../../keys/roll.ts'
import { isReverting } from '../../roll/meant.ts'
import type { Order } from '../../roll/next.ts'
import type { Unit } from '../../roll/units.ts'
import { adviceFor, nameOf, rollWords } from '../../roll/words.ts'
import type { Begun } from './begin.ts'
import type { Ordered } from './order.ts'

/** One line: how far it is, and what a person may do. */
export function nowWords(service: string, roll: Roll): string {
  const advice = adviceFor(service, roll)
  return `${service}: ${rollWords(roll)}${advice && `; ${advice}`}`
}

/** Who began it, and how it goes. */
export function details({
  by,
  since,
  from,
  max,
  settleMs,
  limitMs,
  ack,
  autoRevert,
  skipped,
  changed,
}: Roll): string[] {
  return [
    `by ${by} since ${since}${from && `, from ${from}`}; last change ${changed}`,
    `at most ${amountWords(max)} unavailable, settle ${settleMs / 1000} s, limit ${limitMs / 1000} s${ack ? ', each step waits' : ''}${autoRevert ? ', reverts by itself' : ''}`,
    ...(skipped.length > 0 ? [`skipped: ${skipped.join(', ')}`] : []),
  ]
}

/** What has begun; for a dry run also its steps. @param to null for a restart of everything */
export function begunLines(service: string, to: string | null, { roll, units }: Begun, dryRun: boolean): string[] {
  if (roll === null) return [`${service}: version ${to} is in force, and everything runs in it`]
  const how = dryRun ? 'would begin' : 'has begun'
  const words = `${service}: the ${nameOf(roll)} ${how}, for ${unitsWords(units, roll.unit)}; see watchbill roll ${shellWord(service)} --status`
  return dryRun ? [words, ...stepLines(roll, units)] : [words]
}

function stepLines(roll: Roll, units: number): string[] {
  const { steps, max, ack } = roll
  const then = ack ? '; each step then waits for --proceed' : ''
  return steps.map((_, at) => {
    const upTo = upToOf(roll, at, units)
    return `step ${at + 1} of ${steps.length}: ${unitsWords(upTo, roll.unit)}, at most ${amountWords(max)} unavailable at a time${at === 0 ? then : ''}`
  })
}

/** How many units have the new version after a step. */
export function upToOf({ steps }: Pick<Roll, 'steps'>, step: number, units: number): number {
  if (step === steps.length - 1) return units
  return Math.min(units, amountOf(steps[step] as Amount, units))
}

function unitsWords(count: number, unit: Roll['unit']): string {
  return `${count} ${unit === 'instance' ? 'instance' : 'partition'}${count === 1 ? '' : 's'}`
}

export function amountWords(amount: Amount): string {
  return 'number' in amount ? String(amount.number) : `${amount.percent}%`
}

/** What an order would do: the units that it is about, by name. */
export function wouldLines(order: Order, { before, roll: after, view: { units } }: Ordered): string[] {
  const covered = units.filter(unit => unit.covered)
  const some = (all: readonly Unit[]) =>
    `${unitsWords(all.length, after.unit)}${all.length > 0 ? `: ${named(all)}` : ''}`
  if (order === 'pause') return [`nothing more would be restarted; ${some(covered.filter(hasNew))} stay as they are`]
  if (order === 'revert') {
    const back = covered.filter(unit => unit.notOld.length > 0)
    return [
      back.length === 0 ? 'nothing would be restarted' : `would be restarted in the version before: ${some(back)}`,
    ]
  }
  if (order === 'skip') {
    const more = after.skipped.filter(name => !before.skipped.includes(name))
    return [
      more.length === 0
        ? 'nothing is unwell now: nothing would be skipped'
        : `would wait no longer for ${listed(more)}`,
    ]
  }
  const again = after.again.filter(name => !before.again.includes(name))
  const anew = again.length > 0 ? [`would be started once more: ${listed(again)}`] : []
  if (isReverting(after))
    return [...anew, `would go on to go back: ${some(covered.filter(unit => unit.notOld.length > 0))}`]
  const turn = covered.slice(0, upToOf(after, after.step, covered.length)).filter(unit => !hasNew(unit))
  return [...anew, `step ${after.step + 1} of ${after.steps.length} would go on with ${some(turn)}`]
}

function hasNew(unit: Unit): boolean {
  return unit.partitions.length > 0 && unit.notNew.length === 0
}

function named(units: readonly Unit[]): string {
  return listed(units.map(({ name }) => name).sort(byName))
}
