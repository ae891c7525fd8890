/**
 * What a roll-out counts and restarts: partitions, or whole instances where one process has all partitions of an instance.
 * Pure: a look, and what the holders have published, become one row for each unit.
 */
import { byName } from '../base/text.ts'
import type { PartitionHealth } from '../keys/health.ts'
import type { Report } from '../keys/report.ts'
import type { Roll } from '../keys/roll.ts'
import type { Cluster } from '../look/cluster.ts'
import { isFailing, isFinished } from '../state/shepherd-status.ts'
import { covers, inForceFor, isAsMeant, markOf } from './meant.ts'

/** One unit. */
export interface Unit {
  readonly name: string
  /** The roll-out is for it. */
  readonly covered: boolean
  /** Its partitions that an instance holds. */
  readonly partitions: readonly string[]
  /** Those of them that this roll-out has not started yet, and those that run in another version than the one in force. */
  readonly notNew: readonly string[]
  readonly notOld: readonly string[]
  /** Everything of it runs and is ready. */
  readonly available: boolean
  /** How long it has been so, ms: a lower bound; null while it is not available. */
  readonly readyFor: number | null
  /** How often a process of it was started again; of the worst of them. */
  readonly restarts: number
  /** What its holder says is wrong; null for nothing. */
  readonly failing: string | null
  /** Changes with each acquisition, and with each start in another version. */
  readonly life: string
  /** Who holds it; null for nobody. */
  readonly instance: string | null
}

type Seen = Pick<Cluster, 'members' | 'locks' | 'partitions' | 'settings' | 'lost'>

export interface Told {
  readonly health: ReadonlyMap<string, PartitionHealth>
  /** By instance. */
  readonly reports: ReadonlyMap<string, Report>
  /** Instances that hold more than they can publish: what they do not publish counts as well unless they say otherwise. */
  readonly leavesOut: ReadonlySet<string>
}

/** In the order in which they get the new version. */
export function unitsOf(cluster: Seen, told: Told, roll: Roll): Unit[] {
  const partitions = partitionUnits(cluster, told, roll)
  return roll.unit === 'partition' ? partitions : instanceUnits(cluster, partitions)
}

function partitionUnits({ members, locks, partitions, settings }: Seen, told: Told, roll: Roll): Unit[] {
  const bySession = new Map(members.map(member => [member.session, member]))
  // A partition that is stopped on purpose is not unavailable because of anything that a roll-out does.
  const ids = [...partitions].filter(id => !settings.held.includes(id)).sort(byName)
  return ids.map(id => {
    const lock = locks.get(id)
    const member = bySession.get(lock?.session ?? '')
    const ran = member === undefined ? null : (lock?.held ?? null)
    const health = member === undefined ? undefined : told.health.get(id)
    const said = member === undefined ? undefined : told.reports.get(member.instance)?.[id]
    const covered = covers(roll, id)
    const inForce = inForceFor(settings, member?.versions?.first, id)
    const to = member?.versions === undefined ? '' : (roll.to ?? inForce)
    const unit = roll.unit === 'instance' ? (member?.instance ?? '') : id
    const isNew = isAsMeant(ran, { version: to, roll: markOf(roll, unit) })
    const isOld = ran?.version === (member?.versions === undefined ? '' : inForce)
    const unpublished = health === undefined && member !== undefined && told.leavesOut.has(member.instance)
    const isWell = (unpublished && said === undefined) || isFinished(said ?? null)
    const readyFor = isWell ? Number.MAX_SAFE_INTEGER : (health?.readyFor ?? null)
    const held = member === undefined ? [] : [id]
    return {
      name: id,
      covered,
      partitions: held,
      notNew: covered && !isNew ? held : [],
      notOld: covered && !isOld ? held : [],
      available: readyFor !== null,
      readyFor,
      restarts: health?.restarts ?? 0,
      failing: said !== undefined && isFailing(said) ? said : null,
      life: `${id} ${lock?.modifyIndex ?? ''}`,
      instance: member?.instance ?? null,
    }
  })
}

/** Instances that take part or hold something, and those that are lost. */
function instanceUnits({ members, lost }: Seen, partitions: readonly Unit[]): Unit[] {
  const of = Map.groupBy(partitions, ({ instance }) => instance ?? '')
  const taking = members.filter(({ absence, instance }) => absence === null || of.has(instance))
  const there = taking.map(({ instance }) => {
    const own = of.get(instance) ?? []
    const all = <T>(what: (unit: Unit) => readonly T[]) => own.flatMap(what)
    const ready = own.map(({ readyFor }) => readyFor)
    const available = !ready.includes(null)
    return {
      name: instance,
      covered: true,
      partitions: all(unit => unit.partitions),
      notNew: all(unit => unit.notNew),
      notOld: all(unit => unit.notOld),
      available,
      readyFor: available ? Math.min(Number.MAX_SAFE_INTEGER, ...(ready as number[])) : null,
      restarts: Math.max(0, ...own.map(({ restarts }) => restarts)),
      failing: own.find(({ failing }) => failing !== null)?.failing ?? null,
      life: own.map(({ life }) => life).join('\n'),
      instance,
    }
  })
  const gone = [...lost.keys()].filter(instance => !taking.some(one => one.instance === instance))
  return [...there, ...gone.map(goneUnit)].sort((a, b) => byName(a.name, b.name))
}

function goneUnit(name: string): Unit {
  const nothing = { partitions: [], notNew: [], notOld: [], readyFor: null, restarts: 0, failing: null }
  return { ...nothing, name, covered: true, available: false, life: '', instance: null }
}
