/** What templates are given: one look at the service, as plain data in a fixed order. Pure. */
import { byName } from '../base/text.ts'
import type { Definition } from '../definition/definition.ts'
import type { Report } from '../keys/report.ts'
import type { Cluster } from '../look/cluster.ts'
import type { Assignment } from '../roster/rule.ts'
import { inForce, type Kept } from './in-force.ts'
import { versionHere } from './versions.ts'

/** Where an instance can be reached, as Consul's catalog says. */
export interface Place {
  readonly address: string
  readonly port: number | null
}

/** Everything that a render depends on, beside its templates. */
export interface View {
  readonly instance: string
  readonly node: string
  readonly definition: Definition
  readonly cluster: Pick<
    Cluster,
    'service' | 'members' | 'registered' | 'locks' | 'partitions' | 'settings' | 'freeze' | 'lost' | 'ownPlan' | 'roll'
  >
  readonly placed: Assignment
  readonly reports: ReadonlyMap<string, Report>
  /** Empty when no partition has a document. */
  readonly documents: ReadonlyMap<string, unknown>
  readonly places: ReadonlyMap<string, Place>
  /** The partitions that have an acquisition or a process on this machine. */
  readonly here: ReadonlySet<string>
}

export interface PartitionInput {
  readonly id: string
  /** The instance that has it in force; null for none, also during a hand-over. */
  readonly holder: string | null
  readonly node: string | null
  readonly address: string | null
  readonly port: number | null
  /** The holder is this instance. */
  readonly here: boolean
  /** It has a holder, which reports nothing that is wrong with it. */
  readonly ready: boolean
  readonly document: unknown
  /** The version that the holder's process runs with; null for none. */
  readonly version: string | null
}

export interface InstanceInput {
  readonly name: string
  readonly node: string
  readonly address: string | null
  readonly port: number | null
  readonly meta: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  /** `member`, why it takes nothing, or `lost`. */
  readonly state: string
  readonly weight: number
  /** The partitions that it has in force. */
  readonly partitions: readonly string[]
}

/** The names here are what templates use. */
export interface Input {
  readonly service: {
    readonly name: string
    readonly title: string | null
    readonly frozen: boolean
    /** In force on this instance; null for none. */
    readonly version: string | null
  }
  readonly self: { readonly instance: string; readonly node: string }
  readonly settings: { readonly drained: readonly string[]; readonly held: readonly string[]; readonly epoch: number }
  readonly variables: Readonly<Record<string, unknown>>
  readonly instances: readonly InstanceInput[]
  readonly partitions: readonly PartitionInput[]
}

/** @param afterStop what is still here counts as in force: see `order` in the definition */
export function inputOf(view: View, afterStop: boolean): Input {
  const { cluster, instance, node } = view
  const kept: Kept | undefined = afterStop ? { instance, partitions: view.here } : undefined
  const holders = inForce(cluster, view.placed, kept)
  const { drained, held, epoch } = cluster.settings
  return {
    service: {
      ...{ name: cluster.service, title: titleIn(view), frozen: cluster.freeze?.frozen === true },
      version: versionHere(view) || null,
    },
    self: { instance, node },
    settings: { drained, held, epoch },
    variables: variablesIn(view),
    instances: instancesIn(view, holders),
    partitions: idsIn(cluster, holders).map(id => partitionIn(view, id, holders.get(id) ?? null)),
  }
}

/** The nearer wins: what is said of this instance wins over what is said of all. */
function variablesIn({ cluster: { ownPlan }, definition, instance }: View): Input['variables'] {
  const { service = {}, instance: each = {} } = ownPlan.plan?.variables ?? {}
  const own = Object.hasOwn(each, instance) ? each[instance] : {}
  return { ...definition.templateVariables, ...service, ...definition.meta, ...own }
}

function titleIn({ definition, cluster }: View): string | null {
  return definition.title ?? cluster.members.find(({ title }) => title !== undefined)?.title ?? null
}

/** One that was removed from the set is still shown while its process is kept. */
function idsIn({ partitions }: View['cluster'], holders: ReadonlyMap<string, string>): string[] {
  return [...new Set([...partitions, ...holders.keys()])].sort(byName)
}

function partitionIn(view: View, id: string, holder: string | null): PartitionInput {
  const { cluster, definition, instance, places, reports, documents } = view
  const place = holder === null ? undefined : places.get(holder)
  const remark = holder === null ? undefined : reports.get(holder)?.[id]
  return {
    id,
    holder,
    node: holder === null ? null : nodeOf(view, holder),
    address: place?.address ?? null,
    port: place === undefined ? null : (definition.register?.port ?? place.port),
    here: holder === instance,
    ready: holder !== null && (remark === undefined || /^(takeover|waits)\b/.test(remark)),
    document: documents.get(id) ?? null,
    version: (holder !== null && cluster.locks.get(id)?.held?.version) || null,
  }
}

function nodeOf({ cluster }: View, instance: string): string {
  return cluster.members.find(member => member.instance === instance)?.node ?? instance.replace(/:[^:]*$/, '')
}

function instancesIn({ cluster, places }: View, holders: ReadonlyMap<string, string>): InstanceInput[] {
  const held = Map.groupBy(holders.keys(), id => holders.get(id))
  const members = new Map(cluster.members.toReversed().map(member => [member.instance, member]))
  const registered = new Map(cluster.registered.toReversed().map(one => [one.instance, one]))
  const names = new Set([...members.keys(), ...registered.keys(), ...cluster.lost.keys()])
  return [...names].sort(byName).map(name => {
    const member = members.get(name)
    const offers = member?.offers ?? registered.get(name)?.offers
    const place = places.get(name)
    return {
      name,
      node: member?.node || name.replace(/:[^:]*$/, ''),
      address: place?.address ?? null,
      port: place?.port ?? null,
      meta: offers?.meta ?? {},
      tags: member?.offers?.tags ?? [],
      state: member ? (member.absence ?? 'member') : cluster.lost.has(name) ? 'lost' : 'joining',
      weight: member?.weight ?? 0,
      partitions: (held.get(name) ?? []).sort(byName),
    }
  })
}
