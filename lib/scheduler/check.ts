/**
 * Whether an answer may be followed, held against the input that it was given. It is refused as a whole, in one line that
 * names the entry. What becomes wrong later makes single entries void: see roster/follow.ts. Pure.
 */

import { duration } from '../base/clock.ts'
import { inWords, jsonFault } from '../definition/json.ts'
import { firstOf } from '../definition/problems.ts'
import { pointersOf, type Rules } from '../definition/rules.ts'
import { allowsAt } from '../definition/version.ts'
import { fieldPath, shown } from '../definition/wording.ts'
import type { Decided } from '../keys/own-plan.ts'
import { noVariables } from '../keys/own-plan.ts'
import { type Trait, traitOf } from '../keys/traits.ts'
import type { PlacedMember } from '../roster/member.ts'
import { refusalsOf } from '../roster/place.ts'
import { apartRules, beside } from '../roster/rules/apart.ts'
import { full, noRoomForCost } from '../roster/rules/limits.ts'
import { type Answer, mostAnswer, answer as shape } from './answer.ts'
import type { Input, InputMember } from './input.ts'
import { isNewVersion } from './version.ts'

export interface Checked extends Decided {
  readonly count: number | null
  /** Undefined when it said none: the last one stays. */
  readonly state: unknown
  readonly log: readonly string[]
  /** When to run again, ms; null for as ever. */
  readonly nextMs: number | null
  /** Action id -> what became of it. */
  readonly answers: ReadonlyMap<string, string>
}

/** Refuses an answer. */
export class Refused extends Error {}

/** The longest pause that an answer may ask for, ms. */
const longestPause = 86_400_000

/** @throws Refused with one line */
export function checkAnswer(text: string, input: Input): Checked {
  const given = parsed(text)
  const assignment = new Map<string, string>()
  const nobody = new Map<string, string>()
  for (const [id, entry] of Object.entries(given.assignment)) {
    if (typeof entry === 'string') assignment.set(id, entry)
    else nobody.set(id, entry.reason)
  }
  mustBeKnown(given, input)
  mustKeepRules(assignment, nobody, input)
  mustKeepLimits(assignment, input)
  const { version = null, variables = {}, count = null, next, answers = {} } = given
  if (count !== null && !input.settings.countable)
    throw new Refused('count: the definition does not number its partitions, or people have set the number')
  mustBeAllowed(version, input)
  return {
    ...{ assignment, nobody, version, count, state: given.state, log: given.log ?? [] },
    variables: { ...noVariables, ...withoutHoles(variables) },
    nextMs: next === undefined ? null : Math.min(longestPause, duration(next) as number),
    answers: new Map(Object.entries(answers)),
  }
}

function withoutHoles({ service = {}, instance = {} }: NonNullable<Answer['variables']>) {
  return { service, instance }
}

function parsed(text: string): Answer {
  const bytes = Buffer.byteLength(text)
  if (bytes > mostAnswer) throw new Refused(`it has ${bytes} bytes, more than ${mostAnswer}`)
  if (text.trim() === '') throw new Refused('it is empty')
  const fault = jsonFault(text)
  if (fault !== null) throw new Refused(`${/twice/.test(fault.problem) ? '' : 'it is not JSON: '}${inWords(fault)}`)
  try {
    const result = shape.safeParse(JSON.parse(text))
    if (result.success) return result.data
    throw new Refused(firstOf(result.error.issues))
  } catch (error) {
    throw error instanceof Refused ? error : new Refused('it is nested too deeply')
  }
}

/** An instance that is there and takes no part is named apart from one that nobody knows. */
function mustBeKnown({ assignment, variables, answers = {} }: Answer, { members, partitions, actions }: Input): void {
  const ids = new Set(partitions.map(({ id }) => id))
  const known = new Map(members.map(member => [member.name, member]))
  for (const [id, entry] of Object.entries(assignment)) {
    const at = place(id)
    if (!ids.has(id)) throw new Refused(`${at}: there is no such partition`)
    if (typeof entry === 'string') mustTakePart(at, entry, known)
  }
  for (const instance of Object.keys(variables?.instance ?? {}))
    if (!known.has(instance)) throw new Refused(`variables.instance[${shown(instance)}]: there is no such member`)
  const waiting = new Set(actions.map(({ id }) => id))
  for (const id of Object.keys(answers))
    if (!waiting.has(id)) throw new Refused(`answers[${shown(id)}]: no such action waits`)
}

function mustTakePart(at: string, instance: string, known: ReadonlyMap<string, InputMember>): void {
  const member = known.get(instance)
  if (member === undefined) throw new Refused(`${at}: ${shown(instance)} is no member`)
  if (member.takesPart) return
  throw new Refused(`${at}: ${instance} does not take part: ${member.drained ? 'drained' : member.health}`)
}

/** `only`, pins and cool-downs. */
function mustKeepRules(
  assignment: ReadonlyMap<string, string>,
  nobody: ReadonlyMap<string, string>,
  input: Input,
): void {
  const asked = askedFrom(input)
  const refusal = refusalsOf(asked)
  const present = new Set(asked.members.map(({ instance }) => instance))
  for (const [id, instance] of assignment) {
    const refused = refusal(id, instance)
    if (refused !== null) throw new Refused(`${place(id)}: ${instance} ${refused}`)
    if (asked.avoided.get(id) === instance)
      throw new Refused(`${place(id)}: ${instance} gave it up because of a check, and may not have it yet`)
  }
  for (const id of nobody.keys()) {
    const pin = asked.pins.get(id)
    if (pin !== undefined && present.has(pin)) throw new Refused(`${place(id)}: it is pinned to ${pin}`)
  }
}

/** `maxPartitions`, `maxCost` and `apart`, for the entries and what people pinned beside them. */
function mustKeepLimits(assignment: ReadonlyMap<string, string>, input: Input): void {
  const { members, pins, traits, rules } = askedFrom(input)
  const at = new Map(members.map(({ instance }, place) => [instance, place]))
  const ids = new Set(input.partitions.map(({ id }) => id))
  const pinned = [...pins].filter(([id, instance]) => !assignment.has(id) && ids.has(id) && at.has(instance))
  const costs = new Map(input.partitions.map(({ id, cost }) => [id, cost]))
  const apart = apartRules(rules.apart, members)
  const loads = members.map(() => ({ number: 0, cost: 0 }))
  const groups = new Map<string, string>()
  for (const [id, instance] of [...pinned, ...assignment]) {
    const member = at.get(instance) as number
    const { maxPartitions, maxCost = Number.POSITIVE_INFINITY } = members[member] as PlacedMember
    const load = loads[member] as { number: number; cost: number }
    load.number++
    load.cost += costs.get(id) ?? 1
    if (load.number > (maxPartitions ?? Number.POSITIVE_INFINITY))
      throw new Refused(`${place(id)}: ${instance} ${full.one}: it takes at most ${maxPartitions} partitions`)
    if (load.cost > maxCost * (1 + 1e-9) + 1e-9)
      throw new Refused(`${place(id)}: ${instance} ${noRoomForCost.one}: its partitions may cost at most ${maxCost}`)
    for (const [rule, { over, groupOf, values }] of apart.entries()) {
      const group = groupOf(id, traits.get(id))
      if (group === null) continue
      const key = JSON.stringify([rule, group, values[member]])
      const first = groups.get(key)
      if (first !== undefined) throw new Refused(`${place(id)}: ${instance} ${beside(over).one}: ${shown(first)}`)
      groups.set(key, id)
    }
  }
}

/** It becomes part of commands on every member: each has to allow it, and to have it ready before anything may need it. */
function mustBeAllowed(version: string | null, { members, settings }: Input): void {
  if (!isNewVersion(version, settings.version)) return
  const { fixed } = settings.version
  if (fixed !== null) throw new Refused(`version: it must not change now: ${fixed}`)
  for (const { name, health, versions } of members) {
    if (health === 'leaving') continue
    if (versions === undefined) throw new Refused(`version: the definition of ${name} has no "versions"`)
    const { pattern, prepared } = versions
    if (!allowsAt(pattern, version))
      throw new Refused(`version: ${version} does not fit versions.pattern of ${name}, ${pattern}`)
    if (prepared?.includes(version) === false)
      throw new Refused(`version: ${name} has not prepared ${version}; use watchbill roll`)
  }
}

/** The rules and the members of the input as the roster takes them. */
export function askedFrom({ members, partitions, placement }: Input) {
  const rules = placement.rules as unknown as Rules
  const pointers = pointersOf(rules)
  const traits = new Map<string, Trait>(partitions.map(({ id, document }) => [id, traitOf(document, pointers)]))
  const full = members.filter(({ takesPart }) => takesPart).map(memberFrom)
  return {
    members: full.sort((a, b) => (a.instance < b.instance ? -1 : 1)),
    partitions: partitions.map(({ id }) => id),
    holders: new Map(partitions.flatMap(({ id, holder }) => (holder === null ? [] : [[id, holder] as const]))),
    avoided: new Map(partitions.flatMap(({ id, notOn }) => (notOn === null ? [] : [[id, notOn] as const]))),
    pins: new Map(Object.entries(placement.pins)),
    rules,
    traits,
  }
}

function memberFrom({ name, node, weight, maxPartitions, maxCost, meta, tags, datacenter }: InputMember): PlacedMember {
  const offers = { meta, tags, datacenter }
  return { instance: name, node, weight, maxPartitions, ...(maxCost !== null && { maxCost }), offers }
}

function place(id: string): string {
  return fieldPath(['assignment', id])
}
