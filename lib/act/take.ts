/** Takes locks, and starts the partitions whose locks this instance holds. */
import { reason } from '../base/errors.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { freeStarts } from '../plan/starts.ts'
import type { Step } from '../plan/step.ts'
import type { Start } from '../process/shepherd/start.ts'
import { startShepherds } from '../process/start.ts'
import { whyNot } from '../roll/meant.ts'
import { readFact, writeFact } from '../state/facts.ts'
import { termsOf } from '../state/local.ts'
import { unreadyWords } from '../state/ready.ts'
import type { Run } from '../state/self.ts'
import { claimAll } from './claim.ts'
import { placeDocuments } from './documents.ts'
import { withoutMadeAnew } from './made-anew.ts'
import { readRan } from './ran.ts'
import { adopt, reclaimAll } from './reclaim.ts'
import { reportRemarks } from './report.ts'
import { killStrays } from './strays.ts'

export async function takeAndStart(
  run: Run,
  snapshot: Snapshot,
  steps: readonly Extract<Step, { do: 'reclaim' | 'adopt' | 'claim' | 'start' }>[],
): Promise<void> {
  await reclaimAll(
    run,
    snapshot,
    steps.filter(step => step.do === 'reclaim'),
  )
  const adopted = steps.filter(step => step.do === 'adopt')
  for (const step of adopted) adopt(run, snapshot, step)
  const bad = await killStrays(run, snapshot, steps)
  let free = freeStarts(snapshot)
  const start = async (partitions: readonly string[]) => {
    const good = partitions.filter(partition => !bad.has(partition))
    // Partitions beyond `free` keep their locks; the next look finds them without a process and starts them.
    const starts = good.flatMap(partition => startOf(run, snapshot, partition) ?? []).slice(0, free)
    free -= starts.length
    if (snapshot.documentsIndex !== null) await placeDocuments(run, snapshot.keys, starts)
    const able = await withChosenCommands(run, snapshot, await withFiles(run, snapshot, starts))
    await beforeStart(run, snapshot, able)
    await startShepherds(snapshot.definition, able)
  }
  await start([...adopted, ...steps.filter(step => step.do === 'start')].map(({ partition }) => partition))
  const claims = await withoutMadeAnew(
    run,
    snapshot,
    steps.filter(step => step.do === 'claim'),
  )
  await saySoonUnready(run, snapshot, claims)
  if (snapshot.definition.run.per === 'partition') return claimAll(run, snapshot, claims, start)
  const held: string[] = []
  const startHeld = () => start(held.splice(0))
  try {
    await claimAll(run, snapshot, claims, ids => {
      held.push(...ids)
      if (held.length >= handedAtOnce) return startHeld()
    })
  } finally {
    await startHeld()
  }
}

/** Reports the claims as not ready before the claim: otherwise they would count as running until the next report. */
async function saySoonUnready(
  run: Run,
  { definition, keys }: Snapshot,
  claims: readonly { readonly partition: string }[],
): Promise<void> {
  const unready = unreadyWords(definition)
  if (unready === null || claims.length === 0) return
  const remarks = Object.fromEntries(claims.map(({ partition }) => [partition, unready]))
  // A failed report must not prevent the start.
  await reportRemarks(run, keys, remarks).catch(error =>
    run.log(`cannot report partitions as not ready: ${reason(error)}`),
  )
}

/** Loads the code for `run.command.choose` only when it is used: most definitions have one command for all partitions. */
async function withChosenCommands(run: Run, snapshot: Snapshot, starts: readonly Start[]) {
  if (snapshot.definition.run.choose === undefined || starts.length === 0) return starts
  const { withCommands } = await import('./choose.ts')
  const able = withCommands(snapshot.definition, starts, run.log)
  if (able.length < starts.length) writeFact(run.files.chosen, snapshot.digest)
  return able
}

/** Loads the code for files that are rendered before a start only when there are any. */
async function withFiles(run: Run, { definition }: Snapshot, starts: readonly Start[]): Promise<readonly Start[]> {
  if (starts.length === 0 || definition.render?.every(({ order }) => order !== 'beforeStart') !== false) return starts
  const { withoutUnrendered } = await import('./render-first.ts')
  return withoutUnrendered(run, starts)
}

/** Loads the code for TTL checks only when there are any: most definitions have none. */
async function beforeStart(run: Run, { definition }: Snapshot, starts: readonly Start[]): Promise<void> {
  if (starts.length === 0 || definition.checks.every(({ ttlMs }) => ttlMs === null)) return
  const { registerBeforeStart } = await import('../checks/first-word.ts')
  await registerBeforeStart(
    run,
    definition,
    starts.map(({ partition }) => partition),
  )
}

/** Each hand-over rewrites the worker's whole assignment, so hand over up to this many partitions at once. */
const handedAtOnce = 500

/** The data to start a partition; null if it has a shepherd, or its lock is not held. */
function startOf(run: Run, snapshot: Snapshot, partition: string): Start | null {
  if (snapshot.local.get(partition)?.shepherd) return null
  const files = run.files.partition(partition)
  const acquisition = readFact(files.acquisition)
  const terms = termsOf(files)
  const token = readFact(files.token)
  if (acquisition === null || token === null || terms === null) return null // released meanwhile: the next look decides
  const ran = readRan(files)
  if (whyNot(snapshot.definition, snapshot.own?.prepared ?? null, ran.version) !== null) return null // the report says why
  return {
    files,
    service: snapshot.service,
    instance: run.instance,
    node: run.node,
    partition,
    acquisition,
    token,
    ...ran,
    lease: terms.lease,
    grace: terms.grace,
  }
}
