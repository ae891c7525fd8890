/**
 * A definition that lacks partitions of the present set changes nothing by itself: one file, saved on one machine, must not
 * stop what runs on all others. Its change is written to proposal/<instance>, until somebody applies it from any agent or
 * the definition changes again.
 */

import { createHash } from 'node:crypto'
import type { Keys } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import { byName, listed } from '../base/text.ts'
import { base64, entriesAt, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { countFrom } from '../keys/count.ts'
import { refusedIds } from '../keys/new-ids.ts'
import { type Partition, partitionsAt, type Change as SetChange } from '../keys/partition-set.ts'
import { type Proposal, proposedLine } from '../keys/proposed.ts'
import type { Cluster } from '../look/cluster.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

/** A change that the definitions of these instances would make. */
export interface Pending extends Omit<Proposal, 'instance' | 'index' | 'applied'> {
  readonly instances: readonly string[]
  readonly proposals: readonly Proposal[]
}

/** The most ids that the key lists. */
const mostShown = 100

/** @param applied when somebody applied it, ISO; undefined while it waits for that */
export function proposalValue(proposal: Omit<Proposal, 'instance' | 'index' | 'applied'>, applied?: string): string {
  const { change, removes, removed, adds, added, since } = proposal
  return base64(JSON.stringify({ change, removes, removed, adds, added, since, applied }))
}

/** Pure: the changes that wait to be applied, each once. Only members count: an instance that is away cannot carry one out. */
export function pendingIn({ proposals, members }: Pick<Cluster, 'proposals' | 'members'>): Pending[] {
  const found = new Map<string, Proposal[]>()
  for (const proposal of proposals.values()) {
    const isMember = members.some(({ instance }) => instance === proposal.instance)
    if (!isMember || proposal.change === '') continue
    found.set(proposal.change, [...(found.get(proposal.change) ?? []), proposal])
  }
  return [...found.values()].map(unsorted => {
    const same = unsorted.toSorted((a, b) => byName(a.instance, b.instance))
    const { change, removes, removed, adds, added } = same[0] as Proposal
    const since = same.map(one => one.since).sort()[0] as string
    const instances = same.map(({ instance }) => instance)
    return { instances, change, removes, removed, adds, added, since, proposals: same }
  })
}

/** "removes 16 partitions (4, 5, …) and adds 2 (20, 21)" */
export function changeWords({
  removes,
  removed,
  adds,
  added,
}: Pick<Pending, 'removes' | 'removed' | 'adds' | 'added'>): string {
  const some = (count: number, ids: readonly string[]) => {
    const shown = ids.slice(0, 10)
    return `(${shown.join(', ')}${count > shown.length ? ` and ${count - shown.length} more` : ''})`
  }
  const adding = adds > 0 ? ` and adds ${adds} ${some(adds, added)}` : ''
  return `removes ${removes} ${removes === 1 ? 'partition' : 'partitions'} ${some(removes, removed)}${adding}`
}

/** What `status` says of a change, and what to do. @param several more than one change waits, so name the instance */
export function pendingWords(service: string, { instances, ...pending }: Pending, several: boolean): string {
  const whose = `the definition of ${listed(instances)} ${changeWords(pending)}`
  const name = several ? ` ${shellWord(instances[0] ?? '')}` : ''
  return `${whose}, and nothing is changed: correct the definition, or watchbill partitions ${shellWord(service)} apply${name}`
}

/** The change that the definition of this instance may make to the set. */
export interface Weighed {
  /** The partitions to remove. */
  readonly removed: readonly string[]
  /** The proposal that was applied; null when nothing is removed. */
  readonly applied: Proposal | null
}

/**
 * Partitions of the set that this definition lacks, except those that were added by hand.
 * @param ids those that it asks for, where it says how many
 */
export async function missingInDefinition(
  { consul }: Pick<Run, 'consul'>,
  { keys, partitions, definition }: Pick<Snapshot, 'keys' | 'partitions' | 'definition'>,
  ids: readonly string[] = definition.partitions,
): Promise<string[]> {
  const wanted = new Set(ids)
  const candidates = [...partitions].filter(id => !wanted.has(id))
  if (candidates.length === 0) return []
  const isOwn = ({ from }: Partition) => from === 'definition' || from === 'source'
  return (await partitionsAt(consul, keys, candidates)).filter(isOwn).map(({ id }) => id)
}

/**
 * Decides whether the definition may change the set now. A change that removes partitions is proposed until it is applied.
 * @returns null when nothing may be changed yet
 * @throws Temporary when Consul is away
 */
export async function weigh(
  run: Run,
  snapshot: Snapshot,
  ids: readonly string[] = snapshot.definition.partitions,
): Promise<Weighed | null> {
  const removed = await missingInDefinition(run, snapshot, ids)
  if (removed.length === 0) return { removed, applied: null }
  const change = changeTo(snapshot, removed, ids)
  const proposal = snapshot.proposals.get(run.instance)
  if (proposal?.applied) {
    const agreed = idsApplied(run, proposal, change)
    if (agreed !== null && removed.every(id => agreed.has(id))) return { removed, applied: proposal }
  }
  await propose(run, snapshot, change)
  return null
}

type Compared = Pick<Snapshot, 'service' | 'keys' | 'partitions' | 'definition'>

/** For a dry run and for `configure`: says which partitions a definition would remove; null for none, or once applied. */
export async function removalNotice(
  run: Pick<Run, 'consul'>,
  snapshot: Compared,
  own?: Proposal,
): Promise<string | null> {
  const { source, share } = snapshot.definition
  const listsThem = source === null && share === undefined
  const removed = listsThem ? await missingInDefinition(run, snapshot) : []
  if (removed.length === 0 || (await isCounted(run, snapshot))) return null
  const change = changeTo(snapshot, removed)
  if (own?.applied && own.change === nameOf(change)) return null
  const { service, definition } = snapshot
  return `the definition of ${definition.name} ${changeWords(shownOf(change))}: ${untilApplied(service)}`
}

/** People have set the number of partitions: no definition counts. */
async function isCounted({ consul }: Pick<Run, 'consul'>, { keys }: Compared): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keys.number])
  return countFrom(entry)?.by === 'hand'
}

function untilApplied(service: string): string {
  return `nothing is changed until watchbill partitions ${shellWord(service)} apply`
}

function shownOf({ removed, added }: SetChange) {
  return {
    removes: removed.length,
    removed: removed.slice(0, mostShown),
    adds: added.length,
    added: added.slice(0, mostShown),
  }
}

/** The whole change, all ids sorted. */
function changeTo(
  { keys, definition, partitions }: Pick<Snapshot, 'keys' | 'definition' | 'partitions'>,
  removed: readonly string[],
  ids: readonly string[] = definition.partitions,
): SetChange {
  const missing = ids.filter(id => !partitions.has(id))
  const refused = new Set(refusedIds(keys, missing))
  return { removed: removed.toSorted(byName), added: missing.filter(id => !refused.has(id)).sort(byName) }
}

function nameOf(change: SetChange): string {
  return createHash('sha256')
    .update(JSON.stringify([change.removed, change.added]))
    .digest('hex')
    .slice(0, 16)
}

/** The removals that the operator applied, some of which may be done already; null when this instance does not know them. */
function idsApplied({ files }: Run, proposal: Proposal, now: SetChange): ReadonlySet<string> | null {
  if (nameOf(now) === proposal.change) return new Set(now.removed)
  try {
    const before = JSON.parse(readFact(files.proposal) ?? '') as SetChange
    return nameOf(before) === proposal.change ? new Set(before.removed) : null
  } catch {
    return null // none, or a torn disk
  }
}

async function propose(run: Run, snapshot: Snapshot, change: SetChange): Promise<void> {
  const { consul, files, instance, log } = run
  const { keys, service } = snapshot
  const name = nameOf(change)
  const before = snapshot.proposals.get(instance)
  writeFact(files.proposal, JSON.stringify(change))
  if (before?.change !== name || before.applied) {
    const proposal = { change: name, ...shownOf(change), since: new Date().toISOString() }
    const outcome = await transact(consul, [
      { Verb: 'cas', Key: keys.proposal(instance), Index: before?.index ?? 0, Value: proposalValue(proposal) },
    ])
    if (!outcome.done) return // somebody has applied or removed the earlier proposal: the next look sees it
    log(`its definition ${changeWords(proposal)}: ${untilApplied(service)}`)
  }
  writeFact(files.proposed, proposedLine(name, snapshot))
}

/** The condition of every transaction that carries out a proposal: the applied proposal is still there. */
export function isStillApplied(keys: Keys, { instance, index }: Proposal): Operation {
  return { Verb: 'check-index', Key: keys.proposal(instance), Index: index }
}

/** Deletes the proposal: the definition no longer removes anything, or its change is done. */
export async function withdraw({ consul, files }: Run, { keys, proposals, instance }: Snapshot): Promise<void> {
  const proposal = proposals.get(instance)
  if (proposal !== undefined) {
    await transact(consul, [{ Verb: 'delete-cas', Key: keys.proposal(instance), Index: proposal.index }])
  }
  removeFact(files.proposed)
  removeFact(files.proposal)
}
