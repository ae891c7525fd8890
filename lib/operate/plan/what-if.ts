/** The cluster as it would be after changes that nobody has made. */

import { Permanent } from '../../base/errors.ts'
import type { Consul } from '../../consul/http.ts'
import type { Definition } from '../../definition/definition.ts'
import { attributeName, pointersOf } from '../../definition/rules.ts'
import { idsUpTo, numberFor, numberIn } from '../../keys/count.ts'
import { isFrozen } from '../../keys/freeze.ts'
import { type Member, rosterVersion } from '../../keys/member.ts'
import { partitionsAt, readPartitions } from '../../keys/partition-set.ts'
import { hasRules, replacedBy } from '../../keys/placement.ts'
import { traitOf } from '../../keys/traits.ts'
import type { Cluster } from '../../look/cluster.ts'
import { numberNow, type Wanted, wantedBy } from '../scale.ts'

export interface Changes {
  /** Members that would join, as `parseMember` reads them. */
  readonly add: readonly NewMember[]
  /** Nodes or instances. */
  readonly remove: readonly string[]
  readonly drain: readonly string[]
  readonly scale: Scale | null
  readonly definition: Pick<Definition, 'partitions' | 'source' | 'share' | 'placement'> | null
}

export interface NewMember {
  readonly node: string
  readonly meta: Readonly<Record<string, string>>
  readonly tags: readonly string[]
  readonly weight: number
  readonly maxPartitions: number | null
  readonly maxCost?: number
}

export type Scale = Extract<Wanted, { kind: 'number' | 'share' }>

/** @throws Permanent that names the word that cannot be read */
export function parseMember(text: string): NewMember {
  const wrong = (what: string) => new Permanent(`cannot read the arguments: --add ${text}: ${what}`)
  const [node = '', ...rest] = text.split(':')
  if (node === '') throw wrong('give a node, then its attributes: node9:meta.zone=b,weight=2')
  const meta = new Map<string, string>()
  const tags: string[] = []
  const numbers: { weight?: number; maxPartitions?: number; maxCost?: number } = {}
  for (const pair of rest.join(':').split(',').filter(Boolean)) {
    const [name = '', ...more] = pair.split('=')
    const value = more.join('=')
    if (name === 'tag') tags.push(value)
    else if (name === 'weight' || name === 'maxPartitions' || name === 'maxCost') {
      if (!(Number(value) > 0 && Number(value) <= 1e6)) throw wrong(`${name} has to be a number above 0, up to 1000000`)
      if (name === 'maxPartitions' && !Number.isInteger(Number(value))) throw wrong(`${name} has to be a whole number`)
      numbers[name] = Number(value)
    } else if (name.startsWith('meta.') && attributeName.test(name)) meta.set(name.slice('meta.'.length), value)
    else throw wrong(`"${name}" is no attribute; use meta.<name>, tag, weight, maxPartitions or maxCost`)
  }
  const { weight = 1, maxPartitions = null, maxCost } = numbers
  return {
    node,
    meta: Object.fromEntries(meta),
    tags,
    weight,
    maxPartitions,
    ...(maxCost !== undefined && { maxCost }),
  }
}

/** As `watchbill scale` reads them, with what the percentage is of. @throws Permanent */
export function parseScale(text: string): Scale {
  const [to, of] = text.split(/\s+of\s+/)
  return wantedBy({ to, of }) as Scale // neither --by nor --reset is given
}

/** @throws Permanent when a change names what is not there */
export function changed(cluster: Cluster, changes: Changes): Cluster {
  const matched = (what: string, names: readonly string[]) =>
    new Set(names.flatMap(name => instancesOf(cluster, what, name)))
  const removed = matched('--remove', changes.remove)
  const drained = matched('--drain', changes.drain)
  const added = changes.add.map(one => memberFrom(cluster, one))
  const stay = cluster.members.filter(({ instance }) => !removed.has(instance))
  mustBeNew(changes.add, added, stay)
  const members = stay
    .map(member => (drained.has(member.instance) ? { ...member, absence: 'drained' as const } : member))
    .concat(added)
    .map(inTheEnd)
  const rosters = new Map([...cluster.rosters].filter(([instance]) => !removed.has(instance)))
  for (const { instance, roster } of added) rosters.set(instance, roster)
  const registered = cluster.registered.filter(({ instance }) => !removed.has(instance))
  const { placement } = changes.definition ?? {}
  const inForce = placement ? replacedBy(cluster.placement, { ...placement, by: 'plan', since: '' }) : cluster.placement
  const partitions = setFor({ ...cluster, members }, changes)
  const placementProblem = placement ? null : cluster.placementProblem
  return { ...cluster, members, rosters, registered, partitions, placement: inForce, placementProblem }
}

/** However few partitions move at a time, all of them are shown. */
export function inTheEnd({ calm, ...member }: Member): Member {
  const { movesAtOnce: _, ...rest } = calm ?? {}
  return calm === undefined ? member : { ...member, calm: rest }
}

/** What the rules need of the documents as they are now; a partition that is not there yet has none. */
export async function withTraits(consul: Consul, cluster: Cluster): Promise<Cluster> {
  const pointers = hasRules(cluster.placement) ? pointersOf(cluster.placement.rules) : []
  if (pointers.length === 0) return cluster
  const documents = new Map((await readPartitions(consul, cluster.keys)).map(({ id, document }) => [id, document]))
  const ids = [...documents.keys(), ...cluster.partitions]
  const traits = new Map(ids.map(id => [id, traitOf(documents.get(id), pointers)]))
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

/** @throws Permanent for one that stays, or is added twice */
function mustBeNew(asked: readonly NewMember[], added: readonly Member[], stay: readonly Member[]): void {
  for (const [at, { instance }] of added.entries()) {
    const wrong = (what: string) =>
      new Permanent(`cannot read the arguments: --add ${asked[at]?.node}: ${instance} ${what}`)
    if (stay.some(one => one.instance === instance)) throw wrong('is a member already; --remove it as well')
    if (added.slice(0, at).some(one => one.instance === instance)) throw wrong('is added twice')
  }
}

/** Its service id is that of the first member, or the service's name. */
function memberFrom({ service, members }: Cluster, { node, meta, tags, ...numbers }: NewMember): Member {
  const like = members[0]?.instance
  const id = like === undefined ? service : like.slice(like.lastIndexOf(':') + 1)
  const instance = `${node}:${id}`
  return {
    ...{ instance, node, session: `plan ${instance}`, ...numbers },
    ...{ offers: { meta, datacenter: members[0]?.offers?.datacenter ?? '', tags }, roster: rosterVersion },
    ...{ lease: 10_000, grace: 3000, digest: '', shared: '', holds: false, counts: true, absence: null },
    ...(members[0]?.calm && { calm: members[0].calm }), // it will have the same definition
  }
}

/** With the partitions that people added: neither a number nor a definition removes one. */
export async function withHandMade(consul: Consul, before: Cluster, after: Cluster): Promise<Cluster> {
  const removed = [...before.partitions].filter(id => !after.partitions.has(id))
  const found = await partitionsAt(consul, before.keys, removed)
  const stay = found.flatMap(({ id, from }) => (from === 'definition' || from === 'source' ? [] : [id]))
  return { ...after, partitions: new Set([...after.partitions, ...stay]) }
}

function setFor(cluster: Cluster, changes: Changes): ReadonlySet<string> {
  const { partitions, count } = cluster
  const { definition } = changes
  const number = numberWith(cluster, changes)
  if (number !== null) return new Set([...[...partitions].filter(id => numberIn(id) === null), ...idsUpTo(number)])
  const counts = count?.by !== 'hand' && definition?.source === null && definition.partitions.length > 0
  return counts ? new Set(definition.partitions) : partitions
}

/**
 * The number that people set wins over the definition's; a percentage follows the members, but not while the service is
 * frozen. Null where the set stays, or a list counts.
 */
function numberWith(cluster: Cluster, { scale, definition }: Changes): number | null {
  if (scale?.kind === 'number') return scale.number
  if (scale === null && isFrozen(cluster)) return null
  const { count, members } = cluster
  const inForce = count?.by === 'hand' || definition === null ? count?.share : definition.share
  const share = scale?.share ?? inForce
  return share ? (numberFor(share, members) ?? numberNow(cluster)) : null
}
