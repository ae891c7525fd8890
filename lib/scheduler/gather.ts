/** Gathers what a scheduler is told, from one look and from what no look reads: documents, figures, checks, actions. */

import { parseExact } from '../base/exact-json.ts'
import { fieldsIn } from '../base/json.ts'
import { decode } from '../base/names.ts'
import { byName } from '../base/text.ts'
import { type Seen, seenChecks } from '../checks/seen.ts'
import type { Consul } from '../consul/http.ts'
import { trees } from '../consul/kv.ts'
import { isRefusal } from '../consul/permission.ts'
import { noRules, pointersOf } from '../definition/rules.ts'
import { figuresRoot, parseSummary, type Summary } from '../keys/figures.ts'
import { isFrozen } from '../keys/freeze.ts'
import type { Member } from '../keys/member.ts'
import { followsPlans } from '../keys/member.ts'
import type { OwnPlan } from '../keys/own-plan.ts'
import { type Asked, readAsked } from '../keys/scheduler-asks.ts'
import { type Memory, readMemory, type Sighting } from '../keys/scheduler-memory.ts'
import { traitOf } from '../keys/traits.ts'
import type { Cluster } from '../look/cluster.ts'
import { versionInForce } from '../roll/meant.ts'
import { holdersOf } from '../roster/assignment.ts'
import { costOf } from '../roster/rules/cost.ts'
import type { Input, InputMember, InputPartition } from './input.ts'
import { whyFixed } from './version.ts'

/** What is read beside the look. */
export interface Beside {
  /** Partition id -> the text of its document, as it was written; missing when it has none. */
  readonly documents: ReadonlyMap<string, unknown>
  readonly summaries: ReadonlyMap<string, Summary>
  readonly checks: ReadonlyMap<string, Seen>
  readonly asked: readonly Asked[]
  readonly memory: Memory
}

/** @throws Temporary when Consul is away */
export async function readBeside(
  consul: Consul,
  { service, keys }: Pick<Cluster, 'service' | 'keys'>,
): Promise<Beside> {
  const [documents, summaries, checks, asked, memory] = await Promise.all([
    readDocuments(consul, keys.partitions),
    readSummaries(consul, service),
    seenChecks(consul, service),
    readAsked(consul, keys),
    readMemory(consul, service),
  ])
  return { documents, summaries, checks, asked, memory }
}

/** With their numbers as they were written: the program that reads the input may hold more digits than JavaScript. */
async function readDocuments(consul: Consul, prefix: string): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>()
  for (const { key, value } of await trees(consul, [prefix])) {
    const id = decode(key.slice(prefix.length))
    if (id === null || value?.includes('"document"') !== true) continue
    const { document } = fieldsIn(value, parseExact)
    if (document !== undefined) found.set(id, document)
  }
  return found
}

/** A token that may not read figures must not keep the scheduler from running. */
async function readSummaries(consul: Consul, service: string): Promise<Map<string, Summary>> {
  const root = figuresRoot(service)
  try {
    const all = (await trees(consul, [root])).map(({ key, value }) => [decode(key.slice(root.length)), value] as const)
    return new Map(
      all.flatMap(([instance, value]) => {
        const summary = parseSummary(value)
        return instance === null || summary === null ? [] : [[instance, summary] as const]
      }),
    )
  } catch (error) {
    if (isRefusal(error)) return new Map()
    throw error
  }
}

/** The sightings after a look: who is there, and who is gone since when. Forgets who was gone for long. */
export function sightingsAfter(
  before: Memory['seen'],
  members: readonly Pick<Member, 'instance' | 'node'>[],
  now: string,
): Memory['seen'] {
  const there = new Map(members.map(({ instance, node }) => [instance, node]))
  const after: Record<string, Sighting> = {}
  for (const [instance, sighting] of Object.entries(before)) {
    if (typeof sighting?.since !== 'string') continue
    if (there.has(instance)) after[instance] = { since: sighting.since }
    else if (sighting.left === undefined)
      after[instance] = {
        ...sighting,
        left: { seen: now, missed: now, node: instance.slice(0, instance.lastIndexOf(':')) },
      }
    else if (Date.parse(now) - Date.parse(sighting.left.missed) < longestGone) after[instance] = sighting
  }
  for (const instance of there.keys()) after[instance] ??= { since: now }
  return after
}

/** ms: Consul forgets a machine after as long. */
const longestGone = 72 * 3_600_000

/** Pure. @param self the instance that runs the scheduler @param countable whether it may say how many partitions there are */
export function inputFrom(
  cluster: Cluster,
  { documents, summaries, checks, asked, memory }: Beside,
  { self, now, countable }: { readonly self: string; readonly now: string; readonly countable: boolean },
): Input {
  const { members, settings, placement, count, ownPlan, locks, coolDowns, service } = cluster
  const seen = sightingsAfter(memory.seen, members, now)
  const rules = placement?.rules ?? noRules
  const cost = costOf(rules.cost)
  const pointers = pointersOf(rules)
  const holders = holdersOf(cluster)
  const rows = new Map([...summaries.values()].flatMap(({ partition }) => Object.entries(partition)))
  const held = new Set(settings.held)
  const partitionFrom = (id: string): InputPartition => {
    const document = documents.get(id)
    const lock = locks.get(id)
    const isHeld = lock !== undefined && lock.session !== null
    const row = rows.get(id)
    return {
      id,
      ...(document !== undefined && { document }),
      cost: cost(id, traitOf(document, pointers)),
      holder: isHeld ? (holders.get(id) ?? null) : null,
      since: (isHeld && lock.held?.since) || null,
      held: held.has(id),
      notOn: coolDowns.get(id)?.instance ?? null,
      restarts: row?.[2] ?? null,
      checks: checks.get(id)?.status ?? null,
      figures: row === undefined ? null : { cpu: row[0], memory: row[1] },
    }
  }
  return {
    ...{ now, service, self },
    members: members.map(one => memberFrom(one, { seen, now, summary: summaries.get(one.instance) })).sort(byMember),
    gone: Object.entries(seen).flatMap(([name, { left }]) => {
      if (left === undefined) return []
      return [{ name, node: left.node, lost: cluster.lost.has(name), since: left.missed, lastSeen: left.seen }]
    }),
    partitions: [...cluster.partitions].sort(byName).map(partitionFrom),
    settings: {
      drained: [...settings.drained],
      held: [...settings.held],
      frozen: isFrozen(cluster),
      count: count === null ? null : { number: count.number, by: count.by },
      countable,
      version: {
        inForce: versionInForce(cluster),
        said: memory.last?.version ?? null,
        fixed: whyFixed(cluster),
      },
    },
    placement: {
      rules: rules as unknown as Input['placement']['rules'],
      pins: Object.fromEntries(placement?.pins ?? []),
    },
    plan: ownPlan.plan === null ? null : planIn(ownPlan.plan),
    actions: asked
      .filter(({ answer }) => answer === null)
      .map(({ id, action, arguments: given, at }) => ({ id, action, arguments: { ...given }, at })),
    state: memory.state,
  }
}

interface Known {
  readonly seen: Memory['seen']
  readonly now: string
  readonly summary: Summary | undefined
}

function memberFrom({ instance, node, offers, absence, roster, ...member }: Member, known: Known): InputMember {
  const { seen, now, summary } = known
  const { partition: _, ...figures } = summary ?? { partition: null }
  const isOlder = roster < followsPlans
  return {
    ...{ name: instance, node, meta: { ...offers?.meta }, tags: [...(offers?.tags ?? [])] },
    datacenter: offers?.datacenter ?? '',
    ...{ weight: member.weight, maxPartitions: member.maxPartitions, maxCost: member.maxCost ?? null },
    health: absence === null || absence === 'drained' ? (isOlder ? 'of an older release' : 'passing') : absence,
    drained: absence === 'drained',
    takesPart: absence === null && !isOlder,
    knownSince: seen[instance]?.since ?? now,
    lastSeen: now,
    figures: summary === undefined ? null : figures,
    ...(member.versions && { versions: { pattern: member.versions.pattern, prepared: preparedBy(member.versions) } }),
  }
}

function preparedBy({ prepared }: NonNullable<Member['versions']>): string[] | null {
  return prepared === null ? null : [...prepared]
}

function planIn({ revision, by, at, assignment, nobody, version, variables }: OwnPlan): Input['plan'] {
  const nobodies = [...nobody].map(([id, reason]) => [id, { instance: null, reason }] as const)
  return { revision, by, at, assignment: Object.fromEntries([...assignment, ...nobodies]), version, variables }
}

function byMember(a: InputMember, b: InputMember): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
