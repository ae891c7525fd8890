/** What is done before a partition is stopped to be handed over. None of it can keep it from being stopped. */
import { setTimeout as delay } from 'node:timers/promises'
import { isRegistered } from '../checks/catalog.ts'
import { unregister } from '../checks/registered.ts'
import { bootClock } from '../clock.ts'
import type { Context } from '../context.ts'
import type { Definition } from '../definition/definition.ts'
import { reason } from '../errors.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { deliver } from './deliver.ts'
import { tellsOfPartitions } from './event.ts'
import { inOrder } from './in-order.ts'
import { tellNext } from './lifecycle.ts'
import { waiting } from './queue.ts'
import { releasingLimit } from './run-hook.ts'

/** How long the agent may take to forget them all, ms. */
const unregisterLimit = 1000
const poll = 50

/** Takes the partitions out of the catalog, so that nobody is sent to them, then runs their `releasing` hooks. */
export async function announceRelease(
  context: Context,
  definition: Definition,
  partitions: readonly string[],
): Promise<void> {
  if (partitions.length === 0) return
  if (isRegistered(definition)) {
    const forgotten = unregister(context, definition, partitions).catch(error =>
      context.log(`releasing: ${reason(error)}`),
    )
    await Promise.race([forgotten, delay(unregisterLimit, undefined, { ref: false })])
  }
  if (!tellsOfPartitions(definition)) return
  const end = bootClock() + releasingLimit
  for (const partition of partitions)
    inOrder(context.files, () => tellNext(context, definition, partition, { event: 'releasing' }))
  if (definition.hooks.releasing) await untilTold(context, definition, new Set(partitions), end)
}

/**
 * Runs what waits of these partitions up to `releasing`, unless another program does so already. What does not come to its
 * turn in time is told later, in its order.
 */
async function untilTold(
  context: Context,
  definition: Definition,
  partitions: ReadonlySet<string>,
  end: number,
): Promise<void> {
  const run = { ...context, service: definition.name }
  const isOpen = () => waiting(context.files).some(one => isReleasing(one.event, partitions) && one.notBefore <= end)
  while (isOpen() && bootClock() < end) {
    await asOnlyHandler(context.files.events, () =>
      deliver(run, definition, { while: () => isOpen() && bootClock() < end }),
    )
    if (isOpen()) await delay(poll)
  }
  const late = waiting(context.files).filter(({ event }) => isReleasing(event, partitions))
  for (const { event } of late) context.log(`releasing of ${event.partition}: not told in time, it is stopped`)
}

function isReleasing(
  { event, partition }: { event: string; partition: string | null },
  of: ReadonlySet<string>,
): boolean {
  return event === 'releasing' && partition !== null && of.has(partition)
}
