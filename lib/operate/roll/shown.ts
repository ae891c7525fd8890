/** A roll-out as it is shown: its steps, which unit has which version, what holds it up, and what people may do with it. */
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { isOver, type Roll } from '../../keys/roll.ts'
import type { Cluster } from '../../look/cluster.ts'
import { hasReached, isReverting, versionInForce } from '../../roll/meant.ts'
import { type Order, ordered, orders, type View } from '../../roll/next.ts'
import type { Unit } from '../../roll/units.ts'
import { viewOf } from '../../rollout/view.ts'
import { rollUnderWay } from '../status/roll-words.ts'
import { currentRoll } from './order.ts'
import { details, nowWords, upToOf } from './words.ts'

export interface ShownRoll {
  readonly service: string
  /** The version in force; null when there is none. */
  readonly version: string | null
  /** The roll-out under way, or the last one, as `watchbill roll --json` prints it; null when there never was one. */
  readonly roll: Roll | null
  readonly underWay: boolean
  /** What `watchbill roll` prints. */
  readonly lines: readonly string[]
  /** What people may do with it now. */
  readonly orders: readonly Order[]
  readonly steps: readonly ShownStep[]
  readonly units: readonly ShownUnit[]
  readonly instances: readonly ShownInstance[]
}

export interface ShownStep {
  /** How many units have the new version after it. */
  readonly upTo: number
  readonly state: 'done' | 'under way' | 'waits' | 'to come' | 'given up'
}

export interface ShownUnit {
  /** The partition, or the instance where one process has all of an instance's. */
  readonly name: string
  readonly instance: string | null
  /** The versions that it runs in, as its locks say; none while nobody runs it, or it has none. */
  readonly versions: readonly string[]
  readonly state: UnitState
  /** What its holder says is wrong; null for nothing. */
  readonly why: string | null
}

/** In the order in which they are listed: what needs a person first. */
export const unitStates = [
  'fails',
  'its turn',
  'settles',
  'skipped',
  'unavailable',
  'not yet',
  'done',
  'not meant',
  /** No roll-out is under way. */
  '-',
] as const
export type UnitState = (typeof unitStates)[number]

/** An instance, as far as its definition has versions. */
export interface ShownInstance {
  readonly instance: string
  /** The versions that it allows, as a regular expression. */
  readonly pattern: string
  /** Those that it has prepared; null when nothing has to be prepared. */
  readonly prepared: readonly string[] | null
  /** The version that it could not prepare, and why; null for none. */
  readonly failed: string | null
}

/** @throws Temporary when Consul is away */
export async function rollShown(consul: Consul, cluster: Cluster): Promise<ShownRoll> {
  const { service, members } = cluster
  const underWay = rollUnderWay(cluster)
  const roll = underWay ?? (await currentRoll(consul, service))
  const view =
    underWay === null ? null : (await viewOf(consul, cluster, underWay, { health: new Map(), lives: new Map() })).view
  return {
    ...{ service, version: versionInForce(cluster), roll: roll && withoutIndex(roll), underWay: underWay !== null },
    lines: roll === null ? [`${service}: no version was ever rolled out`] : [nowWords(service, roll), ...details(roll)],
    orders: view === null || underWay === null ? [] : orders.filter(order => ordered(underWay, order, view) !== null),
    steps: roll === null ? [] : stepsOf(roll, view?.units.filter(({ covered }) => covered).length ?? roll.of),
    units: view === null || underWay === null ? locksOf(cluster) : unitsIn(cluster, underWay, view),
    instances: members.flatMap(({ instance, versions }) =>
      versions === undefined ? [] : [{ instance, ...readyOf(versions) }],
    ),
  }
}

function withoutIndex({ index: _, ...roll }: Roll & { readonly index?: number }): Roll {
  return roll
}

function readyOf({ pattern, prepared, failed }: NonNullable<Cluster['members'][number]['versions']>) {
  return { pattern, prepared, failed: failed === undefined ? null : `${failed.version}: ${failed.why}` }
}

/** Pure. */
export function stepsOf(roll: Roll, units: number): ShownStep[] {
  const { steps, step, state, before } = roll
  const ended = state === 'done' ? 'done' : 'given up'
  return steps.map((_, at) => {
    const upTo = upToOf(roll, at, units)
    if (isOver(roll) || isReverting(roll)) return { upTo, state: ended }
    // A step that waits for a person has not begun; nor has any while instances prepare.
    const isNext = state === 'waiting' || state === 'preparing' || before === 'waiting' || before === 'preparing'
    const now = isNext ? 'waits' : 'under way'
    return { upTo, state: at < step ? 'done' : at === step ? now : 'to come' }
  })
}

function unitsIn({ locks }: Cluster, roll: Roll, { units }: View): ShownUnit[] {
  const version = (id: string) => locks.get(id)?.held?.version || []
  return units
    .map(unit => ({
      name: unit.name,
      instance: unit.instance,
      versions: [...new Set(unit.partitions.flatMap(version))].sort(byName),
      state: stateOf(unit, roll),
      why: unit.failing,
    }))
    .sort((a, b) => unitStates.indexOf(a.state) - unitStates.indexOf(b.state))
}

/** Pure. */
export function stateOf(unit: Unit, roll: Roll): UnitState {
  if (!unit.covered) return 'not meant'
  if (roll.skipped.includes(unit.name)) return 'skipped'
  if (unit.failing !== null) return 'fails'
  const back = isReverting(roll)
  const left = back ? unit.notOld : unit.notNew
  if (left.length > 0)
    return back || hasReached(roll, unit.name) ? 'its turn' : unit.available ? 'not yet' : 'unavailable'
  if (!unit.available) return 'unavailable'
  return !back && (unit.readyFor ?? 0) < roll.settleMs ? 'settles' : 'done'
}

/** No roll-out is under way: what each partition runs in. */
function locksOf({ partitions, locks, members }: Cluster): ShownUnit[] {
  const bySession = new Map(members.map(({ session, instance }) => [session, instance]))
  return [...partitions].sort(byName).map(name => {
    const lock = locks.get(name)
    const instance = bySession.get(lock?.session ?? '') ?? null
    const version = instance === null ? '' : (lock?.held?.version ?? '')
    return { name, instance, versions: version === '' ? [] : [version], state: '-', why: null }
  })
}
