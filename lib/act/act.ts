/** Carries out a plan: stop → release and wake · claim → start. */
import { setTimeout as delay } from 'node:timers/promises'
import { reason } from '../base/errors.ts'
import { transactInBatches } from '../consul/batch.ts'
import { transact } from '../consul/kv.ts'
import { sessionName, sessionsOn } from '../consul/session.ts'
import type { Definition } from '../definition/definition.ts'
import { leavesOut } from '../keys/new-ids.ts'
import { definePartitions, removal } from '../keys/partition-set.ts'
import { revisionBump } from '../keys/settings.ts'
import { leaveTerms } from '../keys/terms.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { partitionsDigest } from '../plan/plan.ts'
import { freeStarts } from '../plan/starts.ts'
import type { Step } from '../plan/step.ts'
import { killMembers, membersOf } from '../process/containment/containment.ts'
import { probeOf, saysGone } from '../process/containment/gone.ts'
import type { Start } from '../process/shepherd/start.ts'
import { notStopped } from '../process/shepherd/stop.ts'
import { startShepherds } from '../process/start.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { PartitionFiles } from '../state/paths.ts'
import { unreadyWords } from '../state/ready.ts'
import type { Run } from '../state/self.ts'
import { claimAll } from './claim.ts'
import { placeDocuments } from './documents.ts'
import { enter } from './enter.ts'
import { endAll } from './give-back.ts'
import { withoutMadeAnew } from './made-anew.ts'
import { adopt, reclaimAll } from './reclaim.ts'
import { parseReport, reportRemarks } from './report.ts'
import { restartAll } from './restart.ts'

/**
 * @throws Temporary when Consul or the state directory fails midway: the next look finds what is left to do. What was
 * begun beside the failure is finished first.
 */
export async function act(context: Run, snapshot: Snapshot, steps: readonly Step[]): Promise<void> {
  const of = <Kind extends Step['do']>(...kinds: Kind[]) =>
    steps.filter((step): step is Extract<Step, { do: Kind }> => (kinds as string[]).includes(step.do))

  if (of('enter').length > 0) await enter(context, snapshot)
  if (of('define').length > 0) await define(context, snapshot)
  const branches = await Promise.allSettled([
    endAll(context, snapshot, of('release', 'disown', 'stop')),
    hold(context, snapshot, of('reclaim', 'adopt', 'claim', 'start')),
    restartAll(context, snapshot, of('restart')),
    deleteLocks(context, snapshot, of('delete')),
  ])
  const failed = branches.find(branch => branch.status === 'rejected')
  if (failed === undefined) return
  const left = notStopped(failed.reason)
  if (left !== null) await tellOfStuck(context, snapshot, left, failed.reason)
  throw failed.reason
}

/** It is tried again every few seconds, and told once. */
async function tellOfStuck(context: Run, { keys }: Snapshot, partitions: readonly string[], error: unknown) {
  const { stuckRemarks } = await import('../process/stuck.ts')
  const remarks = stuckRemarks(context.files, context.node, partitions, reason(error))
  const said = parseReport(readFact(context.files.report))
  if (partitions.every(id => said[id] === remarks[id])) return
  await reportRemarks(context, keys, remarks).catch(failure =>
    context.log(`cannot tell what does not stop: ${reason(failure)}`),
  )
}

async function hold(
  context: Run,
  snapshot: Snapshot,
  steps: readonly Extract<Step, { do: 'reclaim' | 'adopt' | 'claim' | 'start' }>[],
): Promise<void> {
  await reclaimAll(
    context,
    snapshot,
    steps.filter(step => step.do === 'reclaim'),
  )
  const adopted = steps.filter(step => step.do === 'adopt')
  for (const step of adopted) adopt(context, snapshot, step)
  const bad = await killStrays(context, snapshot, steps)
  let free = freeStarts(snapshot)
  const start = async (partitions: readonly string[]) => {
    const good = partitions.filter(partition => !bad.has(partition))
    // The others keep their locks, and the next look finds them without a process.
    const starts = good.flatMap(partition => startOf(context, snapshot, partition) ?? []).slice(0, free)
    free -= starts.length
    if (snapshot.documents !== null) await placeDocuments(context, snapshot.keys, starts)
    const able = await withChosenCommands(context, snapshot, starts)
    await beforeStart(context, snapshot, able)
    await startShepherds(snapshot.definition, able)
  }
  await start([...adopted, ...steps.filter(step => step.do === 'start')].map(({ partition }) => partition))
  const claims = await withoutMadeAnew(
    context,
    snapshot,
    steps.filter(step => step.do === 'claim'),
  )
  await saySoonUnready(context, snapshot, claims)
  if (snapshot.definition.run.per === 'partition') return claimAll(context, snapshot, claims, start)
  const held: string[] = []
  const startHeld = () => start(held.splice(0))
  try {
    await claimAll(context, snapshot, claims, ids => {
      held.push(...ids)
      if (held.length >= handedAtOnce) return startHeld()
    })
  } finally {
    await startHeld()
  }
}

/** Before they are seen to be held: what is not ready must not count as running in between. */
async function saySoonUnready(
  context: Run,
  { definition, keys }: Snapshot,
  claims: readonly { readonly partition: string }[],
): Promise<void> {
  const unready = unreadyWords(definition)
  if (unready === null || claims.length === 0) return
  const remarks = Object.fromEntries(claims.map(({ partition }) => [partition, unready]))
  // A report that cannot be written must not keep the work from starting.
  await reportRemarks(context, keys, remarks).catch(error =>
    context.log(`cannot report what is not ready: ${reason(error)}`),
  )
}

/** Most definitions have one command for all. */
async function withChosenCommands(context: Run, snapshot: Snapshot, starts: readonly Start[]) {
  if (snapshot.definition.run.choose === undefined || starts.length === 0) return starts
  const { withCommands } = await import('./choose.ts')
  const able = withCommands(snapshot.definition, starts, context.log)
  if (able.length < starts.length) writeFact(context.files.chosen, snapshot.digest)
  return able
}

/** Most definitions have no checks. */
async function beforeStart(context: Run, { definition }: Snapshot, starts: readonly Start[]): Promise<void> {
  if (starts.length === 0 || definition.checks.every(({ ttlMs }) => ttlMs === null)) return
  const { expectFirstWord } = await import('../checks/first-word.ts')
  await expectFirstWord(
    context,
    definition,
    starts.map(({ partition }) => partition),
  )
}

/** The worker's assignment is written anew each time, and read: not for each of thousands. */
const handedAtOnce = 500

const strayLimit = 2000

/**
 * What is left of earlier processes of these partitions must be gone before any is started.
 * @returns the partitions of which something is left that SIGKILL does not end
 */
async function killStrays(
  context: Run,
  snapshot: Snapshot,
  steps: readonly { readonly do: Step['do']; readonly partition: string }[],
): Promise<ReadonlySet<string>> {
  const idle = steps.filter(step => step.do !== 'reclaim' && !snapshot.local.get(step.partition)?.shepherd)
  if (idle.length === 0) return new Set()
  const all = new Map(idle.map(({ partition }) => [context.files.partition(partition), partition]))
  for (let waited = 0; killMembers([...all.keys()]).length > 0; waited += 25) {
    if (waited > strayLimit) {
      const left = haunted(context, all)
      return new Set([...left, ...(await leftOutside(context, snapshot.definition, [...all.values()]))])
    }
    await delay(25)
  }
  return leftOutside(context, snapshot.definition, [...all.values()])
}

/** Those of which the definition's own command does not say that nothing of them runs outside. */
async function leftOutside(
  context: Run,
  definition: Definition,
  partitions: readonly string[],
): Promise<ReadonlySet<string>> {
  const probes = partitions.map(partition => probeOf(context, definition, partition))
  const answers = await Promise.all(probes.map(probe => probe === null || saysGone(probe)))
  const left = partitions.filter((_, i) => !answers[i])
  for (const partition of left) context.log(`cannot start ${partition}: stop.gone does not say that it is gone`)
  return new Set(left)
}

function haunted(context: Run, all: ReadonlyMap<PartitionFiles, string>): ReadonlySet<string> {
  const members = membersOf([...all.keys()])
  const left = [...all].filter(([{ directory }]) => members.has(directory))
  for (const [{ directory }, partition] of left) {
    const pids = members.get(directory)?.map(({ pid }) => pid)
    context.log(`cannot start ${partition}: what is left of an earlier process does not die; see ps ${pids?.join(' ')}`)
  }
  return new Set(left.map(([, partition]) => partition))
}

/** What starting it takes; null for one that has a shepherd, or is not held. */
function startOf(context: Run, snapshot: Snapshot, partition: string): Start | null {
  if (snapshot.local.get(partition)?.shepherd) return null
  const files = context.files.partition(partition)
  const acquisition = readFact(files.acquisition)
  const terms = readFact(files.terms)?.split(' ').map(Number)
  const token = readFact(files.token)
  if (acquisition === null || token === null || terms?.length !== 2) return null // given up meanwhile: the next look decides
  return {
    files,
    service: snapshot.service,
    instance: context.instance,
    node: context.node,
    partition,
    acquisition,
    token,
    version: '',
    lease: terms[0] as number,
    grace: terms[1] as number,
  }
}

/** What stands in `defined` while the set is being written for the first time. */
const begun = 'begun'

/** The same for a set that comes from a source: whoever fetches it writes it, see lib/sources/. */
const fetched = partitionsDigest([])

async function define(context: Run, snapshot: Snapshot): Promise<void> {
  const { keys, definition } = snapshot
  const { beyond, isStillApplied, weigh, withdraw } = await import('./proposal.ts')
  const own = partitionsDigest(definition.partitions)
  if (definition.source !== null || (snapshot.defined && snapshot.definedLast === own)) {
    await withdraw(context, snapshot)
    return writeFact(context.files.defined, own)
  }
  const weighed = snapshot.defined ? await weigh(context, snapshot) : null
  if (weighed === null && snapshot.defined) return
  const first = snapshot.definedLast === null
  const unfinished = snapshot.definedLast === begun
  if (first && snapshot.defined && weighed?.applied === null) {
    context.log('leaves the partition set as it is: others wrote it before this instance first came')
  } else {
    const clean = snapshot.defined || ((first || unfinished) && !(await othersAtWork(context, snapshot)))
    if (first) writeFact(context.files.defined, begun) // the set takes several transactions: one may be the last
    // Whoever comes later never saw whose locks they were.
    if (!clean) await leaveTerms(context.consul, keys, snapshot.longestTerms)
    const { added, removed, refused } = await definePartitions(context.consul, keys, definition.partitions, {
      clean,
      ...(weighed?.applied && { gone: weighed.removed, only: [isStillApplied(keys, weighed.applied)] }),
    })
    if (!snapshot.defined) await transact(context.consul, [revisionBump(keys)])
    // Nobody fetches it any more, and what was wrong with its source is wrong no longer.
    if (snapshot.definedLast === fetched) await transact(context.consul, [{ Verb: 'delete', Key: keys.duty('source') }])
    context.log(`wrote the definition's partitions: ${added.length} added, ${removed.length} removed`)
    if (refused.length > 0) context.log(`left out partitions of the definition: ${leavesOut(keys, refused)}`)
  }
  // What is left of a set that was lost is not removed along with writing it anew: the next look weighs that.
  if (!snapshot.defined && (await beyond(context, snapshot)).length > 0) return
  writeFact(context.files.defined, own)
  await withdraw(context, snapshot)
}

/**
 * There is no set, and yet an instance has a session without a member key, or came back with what it ran, or its node is
 * lost: someone may have wiped everything below watchbill/, and what ran then still runs. Its locks must not be made
 * anew as clean ones.
 */
export async function othersAtWork(context: Run, snapshot: Snapshot): Promise<boolean> {
  const others = snapshot.members.filter(({ instance }) => instance !== snapshot.instance)
  if (others.some(({ holds }) => holds)) return true
  const known = new Set(snapshot.members.map(({ session }) => session))
  for (const { instance, node, nodeAlive } of snapshot.registered) {
    if (instance === snapshot.instance) continue
    if (!nodeAlive) return true
    const sessions = await sessionsOn(context.consul, node)
    if (sessions.some(({ Name, ID }) => Name === sessionName(instance) && !known.has(ID))) return true
  }
  return false
}

/** As long as the partition is out of the set: one that came back meanwhile keeps its lock, and has nothing to wait for. */
async function deleteLocks(
  context: Run,
  snapshot: Snapshot,
  steps: readonly Extract<Step, { do: 'delete' }>[],
): Promise<void> {
  await transactInBatches(context.consul, {
    items: steps,
    operations: ({ partition, index }) => removal(snapshot.keys, partition, index),
  })
}
