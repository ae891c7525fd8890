/** What is done before a partition is stopped to be handed over. None of it can keep it from being stopped. */
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

/** How long the agent may take to forget them all, ms. */
const unregisterLimit = 1000
const poll = 100

/** Takes the partitions out of the catalog, so that nobody is sent to them, then runs their `releasing` hooks. */
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
      run.log(`releasing of ${partition}: the hook is lost: ${reason(error)}`)
      return []
    }
  })
  if (definition.hooks.releasing) await untilTold(run, definition, told, end)
}

/** @returns where it waits */
function tellReleasing(run: Run, definition: Definition, partition: string): string {
  inOrder(run.files, () => tellNext(run, definition, partition, { event: 'releasing' }))
  const { acquisition, releasing } = run.files.partition(partition)
  return directoryOf(run.files, `${readFact(acquisition) ?? readFact(releasing)}.releasing`)
}

/**
 * Runs what waits of these partitions up to `releasing`, unless another program does so already. What does not come to its
 * turn in time is told later, in its order.
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

/** The partitions that nothing is told of before `end`, because a hook has failed. */
function putOffUntil({ files }: Run, end: number): ReadonlySet<string | null> {
  return new Set(waiting(files).flatMap(({ notBefore, event }) => (notBefore >= end ? [event.partition] : [])))
}
