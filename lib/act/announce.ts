/** What happens before a partition is stopped for a hand-over. A failure here never prevents the stop. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { isRegistered } from '../checks/catalog.ts'
import { unregister } from '../checks/registered.ts'
import type { Definition } from '../definition/definition.ts'
import { deliver } from '../hooks/deliver.ts'
import { tellsOfPartitions } from '../hooks/event.ts'
import { inOrder } from '../hooks/in-order.ts'
import { tellNext } from '../hooks/lifecycle.ts'
import { directoryOf, waiting } from '../hooks/queue.ts'
import { releasingLimit } from '../hooks/run-hook.ts'
import { readFact } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import type { Run } from '../state/self.ts'

/** How long the agent may take to deregister all of them, ms. */
const unregisterLimit = 1000
const poll = 100

/** Removes the partitions from the catalog, so that clients do not find them any more, then runs their `releasing` hooks. */
export async function announceRelease(run: Run, definition: Definition, partitions: readonly string[]): Promise<void> {
  if (partitions.length === 0) return
  if (isRegistered(definition)) {
    const forgotten = unregister(run, definition, partitions).catch(error => run.log(`releasing: ${reason(error)}`))
    await Promise.race([forgotten, delay(unregisterLimit, undefined, { ref: false })])
  }
  if (!tellsOfPartitions(definition)) return
  const end = bootClock() + releasingLimit
  const told = partitions.flatMap(partition => {
    try {
      return [{ partition, directory: tellReleasing(run, definition, partition) }]
    } catch (error) {
      run.log(`releasing of ${partition}: the hook will not run: ${reason(error)}`)
      return []
    }
  })
  if (definition.hooks.releasing) await untilTold(run, definition, told, end)
}

/** Puts the event into the queue. @returns its directory there */
function tellReleasing(run: Run, definition: Definition, partition: string): string {
  inOrder(run.files, () => tellNext(run, definition, partition, { event: 'releasing' }))
  const { acquisition, releasing } = run.files.partition(partition)
  return directoryOf(run.files, `${readFact(acquisition) ?? readFact(releasing)}.releasing`)
}

/**
 * Runs the waiting hooks of these partitions up to `releasing`, unless another program already does. A hook whose turn does
 * not come in time runs later, in its order.
 */
async function untilTold(
  run: Run,
  definition: Definition,
  told: readonly { readonly partition: string; readonly directory: string }[],
  end: number,
): Promise<void> {
  const teller = { ...run, service: definition.name }
  const open = () => told.filter(({ directory }) => existsSync(directory))
  while (open().length > 0 && bootClock() < end) {
    const how = { while: () => open().length > 0 && bootClock() < end }
    await asOnlyHandler(run.files.events, () => deliver(teller, definition, how))
    const later = putOffUntil(run, end)
    if (open().every(({ partition }) => later.has(partition))) break
    await delay(poll)
  }
  for (const { partition } of open()) run.log(`releasing of ${partition}: not told in time, it is stopped`)
}

/** The partitions whose hooks do not run before `end`, because an earlier hook failed and is tried again later. */
function putOffUntil({ files }: Run, end: number): ReadonlySet<string | null> {
  return new Set(waiting(files).flatMap(({ notBefore, event }) => (notBefore >= end ? [event.partition] : [])))
}
