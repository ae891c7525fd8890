/** What is done before a partition is stopped to be handed over. None of it can keep it from being stopped. */
import { setTimeout as delay } from 'node:timers/promises'
import { isRegistered } from '../checks/catalog.ts'
import { unregister } from '../checks/registered.ts'
import { bootClock } from '../clock.ts'
import type { Context } from '../context.ts'
import type { Definition } from '../definition/definition.ts'
import { reason } from '../errors.ts'
import { makeDirectory, readFact } from '../state/facts.ts'
import { eventOf } from './event.ts'
import { forgetHook, type Hook, startHooks, stateOfHook } from './run-hook.ts'

/** How long the agent may take to forget them all, ms. */
const unregisterLimit = 1000
/** How long all `releasing` hooks together may take, ms: they run side by side. */
export const releasingLimit = 5000
const poll = 25

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
  const command = definition.hooks.releasing
  if (command) await runAll(context, definition, command, partitions)
}

async function runAll(
  context: Context,
  definition: Definition,
  command: readonly string[],
  partitions: readonly string[],
): Promise<void> {
  const hooks = partitions.map((partition): Hook => {
    const { acquisition, directory } = context.files.partition(partition)
    const event = eventOf({ id: `${readFact(acquisition)}.releasing`, event: 'releasing', partition })
    const own = `${directory}/releasing-hook`
    makeDirectory(own)
    forgetHook({ directory: own })
    return { directory: own, event, command }
  })
  await startHooks({ ...context, service: definition.name }, definition, hooks, releasingLimit)
  const end = bootClock() + releasingLimit + 1000
  while (hooks.some(hook => stateOfHook(hook) === 'running') && bootClock() < end) await delay(poll)
  for (const hook of hooks) {
    const state = stateOfHook(hook)
    const failure = state === null || state === 'running' ? 'no end in time' : state.failure
    context.log(`releasing of ${hook.event.partition}: hook ${failure === null ? 'done' : `failed: ${failure}`}`)
  }
}
