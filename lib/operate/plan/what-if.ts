/** The cluster as it would be after changes that nobody has made. */

import { Permanent } from '../../base/errors.ts'
import type { Consul } from '../../consul/http.ts'
import type { Definition } from '../../definition/definition.ts'
import { attributeName, pointersOf } from '../../definition/rules.ts'
import { type Member, rosterVersion } from '../../keys/member.ts'
import { readPartitions } from '../../keys/partition-set.ts'
import { hasRules, replacedBy } from '../../keys/placement.ts'
import { traitOf } from '../../keys/traits.ts'
import type { Cluster } from '../../look/cluster.ts'

export interface Changes {
  /** Members that would join, as `parseMember` reads them. */
  readonly add: readonly NewMember[]
  /** Nodes or instances. */
  readonly remove: readonly string[]
  readonly drain: readonly string[]
  readonly scale: Scale | null
  readonly definition: Pick<Definition, 'partitions' | 'source' | 'placement'> | null
}

export interface NewMember {
  readonly node: string
  readonly meta: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  readonly weight: number
  readonly maxPartitions: number | null
  readonly maxCost?: number
}

/** So many partitions; or so many percent of the sum of the members' weights, or of a number in their meta. */
export type Scale = { readonly count: number } | { readonly percent: number; readonly of: string }

/** @throws Permanent that names the word that cannot be read */
export function parseMember(text: string): NewMember {
  const wrong = (what: string) => new Permanent(`cannot read the arguments: --add ${text}: ${what}`)
  const [node = '', ...rest] = text.split(':')
  if (node === '') throw wrong('give a node, then its attributes: node9:meta.zone=b,weight=2')
  const meta: Record<string, string> = {}
  const tags: string[] = []
  const numbers: { weight?: number; maxPartitions?: number; maxCost?: number } = {}
  for (const pair of rest.join(':').split(',').filter(Boolean)) {
    const [name = '', ...more] = pair.split('=')
    const value = more.join('=')
    if (name === 'tag') tags.push(value)
    else if (name === 'weight' || name === 'maxPartitions' || name === 'maxCost') {
      if (!(Number(value) > 0 && Number(value) <= 1e6)) throw wrong(`${name} has to be a number above 0`)
      numbers[name] = Number(value)
    } else if (name.startsWith('meta.') && attributeName.test(name)) meta[name.slice('meta.'.length)] = value
    else throw wrong(`"${name}" is no attribute; use meta.<name>, tag, weight, maxPartitions or maxCost`)
  }
  const { weight = 1, maxPartitions = null, maxCost } = numbers
  return { node, meta, tags, weight, maxPartitions, ...(maxCost !== undefined && { maxCost }) }
}

/** @throws Permanent */
export function parseScale(text: string): Scale {
  const [, count] = /^(\d{1,6})$/.exec(text) ?? []
  if (count !== undefined && Number(count) <= 100_000) return { count: Number(count) }
  const [, percent, of = 'weight'] = /^(\d{1,6}(?:\.\d+)?)%(?: of (weight|meta\.[\w-]+))?$/.exec(text) ?? []
  if (percent !== undefined) return { percent: Number(percent), of }
  throw new Permanent(`cannot read the arguments: --scale ${text}: give a number, "7%", or "7% of meta.cores"`)
}

/** @throws Permanent when a change names what is not there */
export function changed(cluster: Cluster, changes: Changes): Cluster {
  const matched = (what: string, names: readonly string[]) =>
    new Set(names.flatMap(name => instancesOf(cluster, what, name)))
  const removed = matched('--remove', changes.remove)
  const drained = matched('--drain', changes.drain)
  const added = changes.add.map(one => memberFrom(cluster, one))
  const members = cluster.members
    .filter(({ instance }) => !removed.has(instance))
    .map(member => (drained.has(member.instance) ? { ...member, absence: 'drained' as const } : member))
    .concat(added)
    .map(inTheEnd)
  const rosters = new Map([...cluster.rosters].filter(([instance]) => !removed.has(instance)))
  for (const { instance, roster } of added) rosters.set(instance, roster)
  const registered = cluster.registered.filter(({ instance }) => !removed.has(instance))
  const { placement } = changes.definition ?? {}
  const inForce = placement ? replacedBy(cluster.placement, { ...placement, by: 'plan', since: '' }) : cluster.placement
  const partitions = setFor({ ...cluster, members }, changes)
  return { ...cluster, members, rosters, registered, partitions, placement: inForce }
}

/** However few partitions move at a time, all of them are shown. */
function inTheEnd({ calm, ...member }: Member): Member {
  const { movesAtOnce: _, ...rest } = calm ?? {}
  return calm === undefined ? member : { ...member, calm: rest }
}

/** What the rules need of the documents as they are now; a partition that is not there yet has none. */
export async function withTraits(consul: Consul, cluster: Cluster): Promise<Cluster> {
  const pointers = hasRules(cluster.placement) ? pointersOf(cluster.placement.rules) : []
  if (pointers.length === 0) return cluster
  const documents = new Map((await readPartitions(consul, cluster.keys)).map(({ id, document }) => [id, document]))
  const traits = new Map([...cluster.partitions].map(id => [id, traitOf(documents.get(id), pointers)]))
  return { ...cluster, traits }
}

function instancesOf({ members, service }: Cluster, what: string, name: string): string[] {
  const found = members
    .filter(({ instance, node }) => instance === name || node === name)
    .map(({ instance }) => instance)
  if (found.length > 0) return found
  const there = members.map(({ instance }) => instance).sort()
  throw new Permanent(
    `cannot read the arguments: ${what} ${name}: ${service} has no such member; there are: ${there.join(', ') || 'none'}`,
  )
}

/** Its service id is that of the first member, or the service's name. */
function memberFrom({ service, members }: Cluster, { node, meta, tags, ...numbers }: NewMember): Member {
  const like = members[0]?.instance
  const id = like === undefined ? service : like.slice(like.lastIndexOf(':') + 1)
  const instance = `${node}:${id}`
  if (members.some(one => one.instance === instance))
    throw new Permanent(`cannot read the arguments: --add ${node}: ${instance} is a member already`)
  return {
    ...{ instance, node, session: `plan ${instance}`, ...numbers },
    ...{ offers: { meta, datacenter: members[0]?.offers?.datacenter ?? '', tags }, roster: rosterVersion },
    ...{ lease: 10_000, grace: 3000, digest: '', shared: '', holds: false, counts: true, absence: null },
    ...(members[0]?.calm && { calm: members[0].calm }), // it will have the same definition
  }
}

function setFor({ partitions, members }: Cluster, { scale, definition }: Changes): ReadonlySet<string> {
  if (scale !== null) {
    const number = 'count' in scale ? scale.count : numberOf(scale, members)
    return new Set([
      ...[...partitions].filter(id => !/^(0|[1-9]\d*)$/.test(id)),
      ...Array.from({ length: number }, (_, at) => String(at)),
    ])
  }
  return definition !== null && definition.source === null && definition.partitions.length > 0
    ? new Set(definition.partitions)
    : partitions
}

function numberOf({ percent, of }: Extract<Scale, { percent: number }>, members: readonly Member[]): number {
  const present = members.filter(({ absence }) => absence === null)
  const each = present.map(({ weight, offers }) => {
    const value = of === 'weight' ? weight : Number(offers?.meta[of.slice('meta.'.length)] ?? 0)
    return Number.isFinite(value) && value > 0 ? value : 0
  })
  const share = (each.reduce((sum, one) => sum + one, 0) * percent) / 100
  return Math.min(100_000, Math.ceil(share - 1e-9))
}
