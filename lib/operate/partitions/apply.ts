/**
 * Lets a definition remove partitions: marks its proposal as applied, if it is still as it was read, and waits until the
 * instance with that definition has carried it out.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { changeWords, type Pending, pendingIn, proposalValue } from '../../act/proposal.ts'
import { Permanent, Temporary } from '../../base/errors.ts'
import { shellWord } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { entriesAt, transact, transactionLimit } from '../../consul/kv.ts'
import { recorded } from '../../keys/asked.ts'
import { dutyFrom, isDefinitionsLoss } from '../../keys/duty.ts'
import { proposalsFrom } from '../../keys/proposed.ts'
import { revisionBump } from '../../keys/settings.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { askForSync } from '../../sources/ask.ts'

const pause = 100

export interface ApplyOptions {
  /** How long to wait for the instance, ms. */
  readonly limit: number
  readonly dryRun: boolean
}

/**
 * @param named the instance whose definition to apply; may be empty when only one change waits
 * @returns what was done, as a sentence
 * @throws Permanent when several changes wait and none is named; Temporary when the change was replaced, or is not done in time
 */
export async function apply(
  consul: Consul,
  service: string,
  named: readonly string[],
  { limit, dryRun }: ApplyOptions,
): Promise<string> {
  const cluster = await lookAtCluster(consul, service)
  const all = pendingIn(cluster)
  if (all.length === 0) return (await ofSource(consul, service, { limit, dryRun })) ?? 'nothing to apply'
  const pending = chosen(service, all, named)
  const words = `the definition of ${listed(pending.instances)} ${changeWords(pending)}`
  if (dryRun) return `would apply: ${words}`
  const { keys } = cluster
  const now = new Date().toISOString()
  const proposals = pending.proposals.slice(0, transactionLimit - 2)
  const outcome = await transact(consul, [
    ...proposals.map(proposal => ({
      ...({ Verb: 'cas', Key: keys.proposal(proposal.instance), Index: proposal.index } as const),
      Value: proposalValue(proposal, now),
    })),
    revisionBump(keys),
    ...(await recorded(consul, keys, [{ what: 'removal applied', partitions: pending.removed, why: words }])),
  ])
  if (!outcome.done) throw changed(service)
  const end = performance.now() + limit
  const wanted = proposals.map(({ instance }) => keys.proposal(instance))
  for (;;) {
    const there = proposalsFrom(await entriesAt(consul, wanted), keys)
    const left = [...there.values()].filter(({ change, applied }) => change === pending.change && applied)
    if (left.length < proposals.length) {
      const still = await entriesAt(consul, pending.removed.map(keys.partition))
      if (still.length === 0) return `applied: ${words}`
      if (left.length === 0) throw changed(service)
    }
    if (performance.now() > end)
      throw new Temporary(
        `cannot wait longer: ${listed(pending.instances)} has not carried it out yet; it does so as soon as it runs, see watchbill status ${shellWord(service)}`,
      )
    await delay(pause)
  }
}

function changed(service: string): Temporary {
  return new Temporary(
    `cannot apply it: the definition or the set has changed meanwhile; see watchbill status ${shellWord(service)}, and try again`,
  )
}

/** @throws Permanent */
function chosen(service: string, all: readonly Pending[], named: readonly string[]): Pending {
  const [name, ...more] = named
  const some = all.map(pending => `that of ${listed(pending.instances)} ${changeWords(pending)}`).join('; ')
  if (more.length > 0) throw new Permanent('cannot read the arguments: apply takes one instance')
  if (name === undefined) {
    if (all.length === 1) return all[0] as Pending
    const next = `name an instance: watchbill partitions ${shellWord(service)} apply ${shellWord(all[0]?.instances[0] ?? '')}`
    throw new Permanent(`cannot apply a definition: several differ: ${some}; ${next}`)
  }
  const found = all.find(({ instances }) => instances.includes(name))
  if (found) return found
  throw new Permanent(`cannot apply the definition of ${name}: it removes nothing; ${some}`)
}

/** Applies a source's first answer that lacks partitions of the definition before it; null when there is no such answer. */
async function ofSource(consul: Consul, service: string, { limit, dryRun }: ApplyOptions): Promise<string | null> {
  const { keys } = await lookAtCluster(consul, service)
  const [duty] = await entriesAt(consul, [keys.duty('source')])
  const { problem } = dutyFrom(duty?.value ?? null)
  if (!isDefinitionsLoss(problem)) return null
  if (dryRun) return `would accept the answer of the source: ${problem}`
  // The source is asked again and may answer differently: an empty or garbled answer is still refused.
  return askForSync(consul, service, { force: false, applied: true }, limit)
}
